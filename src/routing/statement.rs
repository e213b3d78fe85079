//! What is known of a prepared statement.

use std::sync::Arc;

use crate::topology::table::TableId;
use cql::statement::write_type::WriteType;

/// A prepared statement, as the server described it when a client prepared it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Statement {
    /// The server's id: the same on every node, and what the client holds.
    pub id: Box<[u8]>,
    /// The text, to prepare it on other nodes.
    pub text: Box<str>,
    /// The keyspace that the client's connection used; it is part of the id.
    pub keyspace: Option<Arc<str>>,
    /// The table, when all markers belong to one.
    pub table: Option<(Arc<str>, Arc<str>)>,
    /// Marker of each partition-key component; empty when the key is not all markers.
    pub pk_indexes: Vec<u16>,
    /// Names of the markers, for values sent by name.
    pub names: Vec<Box<str>>,
    /// Whether it is a light-weight transaction.
    pub lwt: bool,
    /// Whether it only reads, and may be sent again.
    pub is_read: bool,
    /// What WRITE_TIMEOUT calls it.
    pub write_type: WriteType,
    /// The result metadata that the client holds, as sent.
    pub result_metadata: Box<[u8]>,
    /// The node's id of that metadata; empty when it told none.
    pub metadata_id: Box<[u8]>,
}

impl Statement {
    /// Bytes that it takes in the catalog, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len() + 16).sum();
        let metadata = self.result_metadata.len() + self.metadata_id.len();
        256 + self.id.len() + self.text.len() + metadata + names
    }
}

/// A statement in the catalog with what the router worked out for it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The statement.
    pub statement: Arc<Statement>,
    /// The number of the table whose partition its values name; `None` when they name none, or the
    /// table is not known.
    pub table: Option<TableId>,
    /// Set once the columns it returns may differ from what some client holds.
    pub changed: bool,
    /// Set once clients are known to hold different columns.
    pub mixed: bool,
    /// Set once a statement that is no SELECT was prepared under this id: whatever a node says
    /// later, it is not taken for a read.
    pub writes: bool,
    /// When it was last used, in the catalog's own count.
    pub used: u64,
    /// How often a request named it.
    pub requests: u64,
    /// How often a node answered it with a result, as its own statement and not in a batch.
    pub answered: u64,
    /// How long these requests waited, from their arrival here, all together, µs.
    pub waited_us: u64,
}

/// A statement as an earlier process knew it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restored {
    /// The statement.
    pub statement: Arc<Statement>,
    /// See [`Entry::changed`].
    pub changed: bool,
    /// See [`Entry::mixed`].
    pub mixed: bool,
    /// See [`Entry::writes`].
    pub writes: bool,
    /// See [`Entry::used`].
    pub used: u64,
}

impl Entry {
    /// The id of the columns that every client holds; empty when they differ, or when it is not
    /// known.
    #[must_use]
    pub fn held_metadata_id(&self) -> &[u8] {
        if self.mixed { &[] } else { &self.statement.metadata_id }
    }

    /// How many columns a client expects that prepared the statement last.
    #[must_use]
    pub fn columns_count(&self) -> Option<u32> {
        let metadata = &self.statement.result_metadata;
        Some(u32::from_be_bytes(*metadata.get(4..8)?.first_chunk()?))
    }

    /// Takes note of what a client holds that has prepared the statement again.
    pub fn replace(&mut self, statement: Arc<Statement>) {
        let (old, new) = (&self.statement, &statement);
        let differ = if old.metadata_id.is_empty() || new.metadata_id.is_empty() {
            old.result_metadata != new.result_metadata
        } else {
            old.metadata_id != new.metadata_id
        };
        self.changed |= old.result_metadata != new.result_metadata;
        self.mixed |= differ;
        self.writes |= !statement.is_read;
        self.statement = statement;
    }
}
