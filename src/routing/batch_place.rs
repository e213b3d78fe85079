//! What the children of a BATCH say about where it may go.

use std::sync::Arc;

use crate::routing::decision::Reason;
use crate::routing::place::Place;
use crate::routing::text::BoundText;
use crate::topology::table::TableId;
use cql::statement::write_type::WriteType;

/// What is done with the children of a BATCH that are texts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ChildTexts<'a> {
    /// They are read.
    Read {
        /// The keyspace of the client.
        keyspace: Option<&'a str>,
        /// The time, µs of a clock that never goes back.
        now_us: u64,
    },
    /// They are not, and may be anything.
    Opaque,
}

/// What the children of a BATCH say about where it may go.
#[derive(Debug)]
pub(crate) struct BatchPlace<'a> {
    /// The partition of the first child that names one.
    pub(super) found: Option<Place>,
    /// That child, if it is a text, and why it goes to a replica.
    pub(super) text: Option<(BoundText<'a>, Reason)>,
    /// Keyspaces and names of tables whose partition keys are to be read.
    pub unread: Vec<(Arc<str>, Arc<str>)>,
    /// Whether any child has a condition.
    pub(super) lwt: bool,
    /// Whether any child is a statement by text that may need its client's keyspace.
    pub needs_keyspace: bool,
    /// What was read of texts.
    pub(super) read_bytes: usize,
    /// What WRITE_TIMEOUT calls it, its statements by text unread.
    pub write_type: WriteType,
}

impl<'a> BatchPlace<'a> {
    /// The first child that names a partition, if it is a text.
    #[must_use]
    pub(crate) fn text(&self) -> Option<BoundText<'a>> {
        self.text.map(|(text, _)| text)
    }

    /// The table of the first child that names a partition.
    #[must_use]
    pub(crate) fn table(&self) -> Option<TableId> {
        match self.found {
            Some(Place::At(table, _)) => Some(table),
            Some(Place::Nowhere(_)) | None => None,
        }
    }
}
