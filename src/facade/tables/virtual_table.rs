//! A table that is answered here: its columns, and its rows as they are at the moment of the question.
//!
//! To add one, implement [`VirtualTable`], name it in `facade/tables/table_name.rs`, and hand it to
//! [`Facade::new`](crate::facade::facade::Facade::new). Conditions, selections, counts, JSON, limits
//! and pages are the same for all tables and are no business of theirs.

use std::borrow::Cow;
use std::fmt::Debug;
use std::net::SocketAddr;

use crate::facade::console::contents::Contents;
use crate::facade::console::table::ConsoleTable;
use crate::facade::tables::table_name::VirtualTableName;
use cql::values::column_type::ColumnType;

/// The bytes of a cell as they stand in a result; `None` is null.
pub type Cell<'a> = Option<Cow<'a, [u8]>>;

/// A column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Its part in the primary key.
    pub role: ColumnRole,
}

/// The part that a column has in the primary key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ColumnRole {
    /// A part of the partition key, whose parts stand in the order of the columns.
    PartitionKey,
    /// A clustering column, likewise.
    ClusteringKey,
    /// Neither, and all rows of a partition have the same value.
    Static,
    /// Neither.
    Regular,
}

/// One row of a table.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its place in the table: of two rows, the one that is shown later has the higher one. It stays
    /// the same as long as the row is there, for the next page begins at a position.
    pub position: u64,
    /// A cell for each column, in the order of the columns.
    pub cells: Vec<Cell<'a>>,
}

/// What the tables show of the running process, as it is at this moment.
pub trait LiveState {
    /// The schema version that the nodes last agreed on; `None` while that is not known, and the
    /// version that the watched node reported counts.
    fn schema_version(&self) -> Option<[u8; 16]>;

    /// The rows of a table of the console, as they were last collected; `None` before that.
    fn console(&self, _: ConsoleTable) -> Option<&Contents> {
        None
    }
}

/// From where a question is asked, and when.
#[derive(Clone, Copy)]
pub struct Viewpoint<'a> {
    /// The address under which the client reached us.
    pub seen_at: SocketAddr,
    /// The process at this moment.
    pub live: &'a dyn LiveState,
}

impl Debug for Viewpoint<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Viewpoint").field("seen_at", &self.seen_at).finish_non_exhaustive()
    }
}

/// A table that is answered here.
pub trait VirtualTable: Debug + Send + Sync {
    /// Its keyspace and its name.
    fn name(&self) -> VirtualTableName;

    /// Its columns, in the order of `SELECT *`.
    fn columns(&self) -> &[Column];

    /// Whether its nodes are Apache Cassandra's, whose errors have other words.
    fn is_of_cassandra(&self) -> bool {
        false
    }

    /// Hands out its rows by rising position, from position `from` on, until `take` says no. Two
    /// calls for the same question hand out the same rows.
    fn visit(&self, asked: &Viewpoint<'_>, from: u64, take: &mut dyn FnMut(Row<'_>) -> bool);
}
