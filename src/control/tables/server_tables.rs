//! What the connected node says of itself, kept as it came: the stuff that our one-node facade is
//! made of.

use cql::error::WireError;
use cql::response::metadata::MetadataStyle;
use cql::response::rows::Rows;
use cql::values::column_type::ColumnType;

/// A column of a system table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
}

/// `system.local` and the shape of `system.peers` on the connected node. Servers differ in their
/// columns, and drivers in which of them they read, so all are kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerTables {
    /// Columns of `system.local`, in the order sent.
    pub local: Vec<ServerColumn>,
    /// Its one row, a cell for each column.
    pub local_row: Vec<Option<Vec<u8>>>,
    /// Columns of `system.peers`, in the order sent.
    pub peers: Vec<ServerColumn>,
    /// Where keyspace and table stand in its metadata; versions of ScyllaDB differ.
    pub style: MetadataStyle,
}

impl ServerTables {
    /// Keeps what two answers say.
    pub fn read(local: &Rows<'_>, peers: &Rows<'_>) -> Result<Self, WireError> {
        let mut local_row = Vec::new();
        if let Some(row) = local.rows().next().transpose()? {
            local_row = row.cells.iter().map(|cell| cell.map(<[u8]>::to_vec)).collect();
        }
        let style = local.metadata.style;
        Ok(Self { local: columns(local), local_row, peers: columns(peers), style })
    }
}

fn columns(rows: &Rows<'_>) -> Vec<ServerColumn> {
    let columns = rows.metadata.columns.iter();
    columns
        .map(|column| ServerColumn { name: column.name.to_owned(), kind: column.kind.clone() })
        .collect()
}
