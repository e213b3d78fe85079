//! The partition key of one table: its columns and their types.

use std::sync::Arc;

use cql::values::column_type::ColumnType;

/// A column of a partition key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyColumn {
    /// Its name, as the schema has it: without quotes.
    pub name: Box<str>,
    /// Its type; [`ColumnType::Custom`] with the schema's own words for one that is not known here,
    /// such as a user-defined type.
    pub kind: ColumnType,
}

/// What the schema says of a table's partition key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableKey {
    /// The table's keyspace.
    pub keyspace: Arc<str>,
    /// The table or view.
    pub table: Arc<str>,
    /// The columns of the partition key, in its order; `None` when there is no such table, or when
    /// the schema shows no key for it.
    pub columns: Option<Box<[KeyColumn]>>,
    /// Whether the schema was read and has no such table.
    pub is_absent: bool,
}

impl TableKey {
    /// Estimates the heap that it takes, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let column =
            |column: &KeyColumn| size_of::<KeyColumn>() + column.name.len() + column.kind.weight();
        let columns: usize = self.columns.iter().flatten().map(column).sum();
        size_of::<Self>() + self.keyspace.len() + self.table.len() + columns
    }
}
