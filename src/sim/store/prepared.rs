//! A statement that was parsed and checked against the schema.

use crate::sim::cql::column_type::ColumnSpec;
use crate::wire::notation::Value;

/// What a statement does, as far as a node must tell kinds apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatementKind {
    /// SELECT.
    Select,
    /// INSERT, UPDATE, DELETE.
    Modification,
    /// BEGIN … APPLY BATCH as text.
    Batch,
    /// CREATE, ALTER, DROP.
    Schema,
    /// TRUNCATE.
    Truncate,
    /// USE.
    Use,
}

/// A statement that was parsed and checked against the schema.
#[derive(Debug)]
pub struct Prepared {
    /// The text as sent.
    pub text: String,
    /// The keyspace that was in `USE` when it was prepared.
    pub keyspace: Option<String>,
    /// What it does.
    pub kind: StatementKind,
    /// The one table it works on: keyspace, name.
    pub table: Option<(String, String)>,
    /// The bind variables, in order.
    pub bind: Vec<ColumnSpec>,
    /// For each component of the partition key its bind variable; empty unless all are bound.
    pub pk_indexes: Vec<u16>,
    /// Result metadata of a SELECT; empty for everything else, as the server says it.
    pub result: Vec<ColumnSpec>,
    /// Whether it is a conditional modification: bit 31 of the flags of the bind metadata.
    pub lwt: bool,
}

impl Prepared {
    /// The serialized partition key, when the statement names exactly one partition, whether by
    /// bind variables or by literals.
    #[must_use]
    pub fn partition_key(&self, _values: &[Value<'_>]) -> Option<Vec<u8>> {
        None
    }

    /// Whether its answer may carry the tablet of its partition: all components of the partition
    /// key are bound, and it names one partition.
    #[must_use]
    pub fn may_report_tablet(&self) -> bool {
        match self.kind {
            StatementKind::Select | StatementKind::Modification => !self.pk_indexes.is_empty(),
            StatementKind::Batch
            | StatementKind::Schema
            | StatementKind::Truncate
            | StatementKind::Use => false,
        }
    }
}
