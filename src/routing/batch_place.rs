//! What the children of a BATCH say about where it may go.

use crate::routing::place::Place;
use crate::topology::table::TableId;
use cql::statement::write_type::WriteType;

/// What the children of a BATCH say about where it may go.
#[derive(Debug)]
pub struct BatchPlace {
    /// The partition of the first child that names one.
    pub(super) found: Option<Place>,
    /// Whether any child has a condition.
    pub(super) lwt: bool,
    /// Whether any child is a statement by text that may need its client's keyspace.
    pub needs_keyspace: bool,
    /// What was read of texts.
    pub(super) read_bytes: usize,
    /// What WRITE_TIMEOUT calls it, its statements by text unread.
    pub write_type: WriteType,
}

impl BatchPlace {
    /// The table of the first child that names a partition.
    #[must_use]
    pub fn table(&self) -> Option<TableId> {
        match self.found {
            Some(Place::At(table, _)) => Some(table),
            Some(Place::Nowhere(_)) | None => None,
        }
    }
}
