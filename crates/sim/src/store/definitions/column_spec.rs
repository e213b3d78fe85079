//! Columns of bind and result metadata, as prepared statements keep them.

use cql::values::column_type::ColumnType;

/// One column of bind or result metadata; the wire's own borrows what this one owns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ColumnSpec {
    /// Keyspace of the table.
    pub keyspace: String,
    /// The table.
    pub table: String,
    /// Name of the column or marker.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
}
