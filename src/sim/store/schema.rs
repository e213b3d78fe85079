//! Keyspaces, tables and types.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sim::cql::column_type::ColumnType;

/// All keyspaces.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// By name; also the system ones.
    pub keyspaces: BTreeMap<String, Keyspace>,
    /// Goes up by one with every change.
    pub generation: u64,
}

impl Schema {
    /// A table or view.
    #[must_use]
    pub fn table(&self, keyspace: &str, table: &str) -> Option<&Arc<Table>> {
        self.keyspaces.get(keyspace)?.tables.get(table)
    }
}

/// One keyspace.
#[derive(Clone, Debug, Default)]
pub struct Keyspace {
    /// Its name.
    pub name: String,
    /// `class` (full Java name) and the factors by data centre, sorted by key.
    pub replication: BTreeMap<String, String>,
    /// Whether writes go to the commit log.
    pub durable_writes: bool,
    /// Some(initial count, 0 = the server chooses) when its tables are divided into tablets.
    pub tablets: Option<u32>,
    /// Tables and views by name.
    pub tables: BTreeMap<String, Arc<Table>>,
    /// User-defined types by name: fields in order.
    pub types: BTreeMap<String, Vec<(String, ColumnType)>>,
}

/// One table or view.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its id; a table created again under the same name has another.
    pub id: [u8; 16],
    /// The keyspace.
    pub keyspace: String,
    /// The name.
    pub name: String,
    /// Columns in the order of `SELECT *`: partition key, clustering, static, regular.
    pub columns: Vec<Column>,
    /// How many of the first columns are the partition key.
    pub partition_len: usize,
    /// How many columns after them are the clustering key.
    pub clustering_len: usize,
    /// Goes up by one with every change: statements prepared against an older one are invalid.
    pub version: u64,
    /// The base table, when it is a view.
    pub base: Option<String>,
}

/// What part a column plays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ColumnKind {
    /// Part of the partition key.
    PartitionKey,
    /// Part of the clustering key.
    Clustering,
    /// One cell a partition.
    Static,
    /// One cell a row.
    Regular,
}

/// One column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// Stays the same when other columns come and go.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its part.
    pub kind: ColumnKind,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether a collection or user-defined type is stored as one cell.
    pub frozen: bool,
    /// Whether a clustering column is sorted in descending order.
    pub descending: bool,
}
