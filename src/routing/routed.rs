//! Where an EXECUTE goes, and what it runs.

use std::sync::Arc;

use crate::routing::catalog::StatementKey;
use crate::routing::decision::Decision;
use crate::topology::table::TableId;
use crate::topology::tablet::Replica;
use cql::statement::write_type::WriteType;

/// Where a request goes, and what statement it runs.
#[derive(Clone, Debug)]
pub(crate) struct Routed<L> {
    /// Lane and reason; `None` when there is no lane.
    pub decision: Option<Decision<L>>,
    /// Its table, when it is known.
    pub table: Option<TableId>,
    /// The statement, when it is in the catalog.
    pub statement: Option<StatementKey>,
    /// Whether the rows' metadata must be asked for, against the client's wish.
    pub ask_for_metadata: bool,
    /// Whether it only reads.
    pub is_read: bool,
    /// What WRITE_TIMEOUT calls it.
    pub write_type: WriteType,
    /// A replica that was passed over because no lane leads to it.
    pub missing: Option<Replica>,
    /// Keyspace and name of a table whose partition key is to be read; boxed, as it is rare.
    pub unread: Option<Box<(Arc<str>, Arc<str>)>>,
}
