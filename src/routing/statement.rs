//! What is known of a prepared statement.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::collections::latency_sample::LatencySample;
use crate::topology::table::TableId;
use cql::notation::Reader;
use cql::response::metadata::Metadata;
use cql::response::rows;
use cql::statement::write_type::WriteType;

/// A prepared statement, as the server described it when a client prepared it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Statement {
    /// The server's id: the same on every node, and what the client holds.
    pub id: Box<[u8]>,
    /// The text, to prepare it on other nodes.
    pub text: Box<str>,
    /// The keyspace that the client's connection used, if the id is of that keyspace alone.
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
    /// The node's id of that metadata; empty when it sent none.
    pub metadata_id: Box<[u8]>,
}

/// What a statement takes in the catalog besides its texts, bytes: itself, its entry in a table of which up to
/// half is free, its place among the ids, and what the allocator adds to each piece.
const FIXED_WEIGHT: usize = size_of::<Statement>() + 2 * size_of::<CatalogEntry>() + 192;

impl Statement {
    /// Bytes that it takes in the catalog, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len() + 16).sum();
        let metadata = self.result_metadata.len() + self.metadata_id.len();
        FIXED_WEIGHT + 2 * self.id.len() + self.text.len() + metadata + names
    }
}

/// Of so many answers one is in a statement's sample: counting each would make the road dearer.
pub const SAMPLED: u64 = 16;

/// A statement in the catalog with what the router worked out for it.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    /// The statement.
    pub statement: Arc<Statement>,
    /// The number of the table whose partition its values name; `None` when they name none, or the
    /// table is not known.
    pub table: Option<TableId>,
    /// Set once the columns it returns may differ from what some client holds.
    pub changed: bool,
    /// The columns that its rows have, as far as nodes have said.
    pub columns: Columns,
    /// How often these were found to be others than before.
    pub changes: u32,
    /// Set once clients are known to hold different columns.
    pub mixed: bool,
    /// Set once a statement that is no SELECT was prepared under this id: whatever a node says
    /// later, it is not taken for a read.
    pub writes: bool,
    /// When it was last used, in the catalog's own count.
    pub used: u64,
    /// How often a request named it.
    pub requests: u64,
    /// Whether all nodes were asked to prepare it as it is.
    pub spread: bool,
    /// How often a node answered it with a result, as its own statement and not in a batch.
    pub answered: u64,
    /// How long these requests waited, from their arrival here, all together, µs.
    pub waited_us: u64,
    /// How long one in [`SAMPLED`] of them waited, µs.
    pub sample: LatencySample,
}

/// A statement as an earlier process knew it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restored {
    /// The statement.
    pub statement: Arc<Statement>,
    /// See [`CatalogEntry::changed`].
    pub changed: bool,
    /// See [`CatalogEntry::mixed`].
    pub mixed: bool,
    /// See [`CatalogEntry::writes`].
    pub writes: bool,
    /// See [`CatalogEntry::used`].
    pub used: u64,
}

/// Names and types of the columns that a statement returns, by a hash; servers write them differently.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Columns {
    hash: Option<u64>,
    /// How rows described them last, and how many there were: what need not be read again.
    described: (i32, Box<[u8]>),
}

impl Columns {
    /// Those of the metadata in a PREPARED message; unknown when it cannot be read.
    #[must_use]
    pub fn prepared(metadata: &[u8]) -> Self {
        Self { hash: hash_of(&mut Reader::new(metadata)), described: <(i32, Box<[u8]>)>::default() }
    }

    /// Takes what a node says of them by PREPARED; `true` when they were others before.
    fn take_prepared(&mut self, metadata: &[u8]) -> bool {
        self.take(Self::prepared(metadata))
    }

    /// Takes those of a RESULT Rows message that describes them; `true` when they were others before.
    fn take_rows(&mut self, message: &[u8]) -> bool {
        let Some((count, described)) = rows::description(message) else { return false };
        let (count_before, before) = &self.described;
        if !before.is_empty() && *count_before == count && described.starts_with(before) {
            return false;
        }
        let mut reader = Reader::new(message.get(4..).unwrap_or_default());
        let hash = hash_of(&mut reader);
        let len = described.len().saturating_sub(reader.rest().len());
        let described = (count, described.get(..len).unwrap_or_default().into());
        self.take(Self { hash, described })
    }

    fn take(&mut self, now: Self) -> bool {
        if now.hash.is_none() {
            return false;
        }
        let is_new = self.hash.is_some() && self.hash != now.hash;
        if is_new || self.described.1.is_empty() {
            *self = now;
        }
        is_new
    }
}

/// A hash of names and types; `None` when they cannot be read, or are not there.
fn hash_of(reader: &mut Reader<'_>) -> Option<u64> {
    let metadata = Metadata::read(reader).ok()?;
    let is_described = metadata.columns.len() == usize::try_from(metadata.columns_count).ok()?;
    let columns = metadata.columns.iter().map(|column| (column.name, &column.kind));
    let columns: Vec<_> = columns.collect();
    is_described.then(|| FixedState::default().hash_one(columns))
}

impl CatalogEntry {
    /// A statement that was just prepared, and of which clients hold the same columns.
    #[must_use]
    pub fn new(statement: Arc<Statement>, table: Option<TableId>, used: u64) -> Self {
        Self {
            table,
            changed: false,
            columns: Columns::prepared(&statement.result_metadata),
            changes: 0,
            mixed: false,
            writes: !statement.is_read,
            used,
            requests: 0,
            spread: false,
            answered: 0,
            waited_us: 0,
            sample: LatencySample::default(),
            statement,
        }
    }

    /// Whether it was used more than once: a text with its values in it seldom is.
    #[must_use]
    pub const fn is_used_again(&self) -> bool {
        self.requests > 1
    }

    /// Takes what a node says of its columns by PREPARED.
    pub fn on_prepared(&mut self, metadata: &[u8]) {
        if *self.statement.result_metadata != *metadata {
            self.changed = true;
        }
        self.changes += u32::from(self.columns.take_prepared(metadata));
    }

    /// Takes what rows of it say of their columns.
    pub fn on_described_rows(&mut self, message: &[u8]) {
        if self.columns.take_rows(message) {
            self.changed = true;
            self.changes += 1;
        }
    }

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
    ///
    /// One that has the same id in two keyspaces names its own, and is every client's: Apache Cassandra leaves
    /// the keyspace of a connection out of such an id.
    pub fn replace(&mut self, mut statement: Arc<Statement>) {
        if self.statement.keyspace != statement.keyspace && statement.keyspace.is_some() {
            statement = Arc::new(Statement { keyspace: None, ..(*statement).clone() });
        }
        let (old, new) = (&self.statement, &statement);
        let differ = if old.metadata_id.is_empty() || new.metadata_id.is_empty() {
            old.result_metadata != new.result_metadata
        } else {
            old.metadata_id != new.metadata_id
        };
        let is_new = old.result_metadata != new.result_metadata;
        self.changed |= is_new;
        self.spread &= !is_new;
        self.mixed |= differ;
        self.writes |= !statement.is_read;
        self.changes += u32::from(self.columns.take_prepared(&new.result_metadata));
        self.statement = statement;
    }
}
