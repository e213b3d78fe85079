//! The one node that a driver sees: `system.local`, `system.peers` and `peers_v2`.
//!
//! The columns and most cells are those of a real node, so that drivers which name columns one by
//! one find them. Addresses become the listener's, the host id the facade's own, and peers are none but
//! other addresses of ours.

use std::borrow::Cow;

use crate::facade::console::layout;
use crate::facade::facade::{Facade, Facts};
use crate::facade::tables::peers;
use crate::facade::tables::peers::{Peers, ShownNode};
use crate::facade::tables::table_name;
use crate::facade::tables::table_name::VirtualTableName;
use crate::facade::tables::virtual_table::{
    Cell, Column, ColumnRole, Row, Viewpoint, VirtualTable,
};
use cql::response::metadata::MetadataStyle;
use cql::values::cell;
use cql::values::column_type::ColumnType;

/// The node that a driver sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OneNode {
    /// The same over restarts, and not a real node's: drivers recognize nodes by it.
    pub host_id: [u8; 16],
    /// How the real node writes metadata.
    pub style: MetadataStyle,
    /// The real node's own row of `system.local`.
    pub local: Vec<LocalColumn>,
    /// Columns of `system.peers`.
    pub peers: Vec<(String, ColumnType)>,
    /// Columns of `system.peers_v2`, whether or not the real node has that table.
    pub peers_v2: Vec<(String, ColumnType)>,
    /// Addresses that are each a node of its own, the others' peer; none where the node is one, at
    /// whatever address clients reach it.
    pub nodes: Vec<ShownNode>,
}

/// A column of `system.local` with its cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// The real node's value.
    pub cell: Option<Vec<u8>>,
}

impl OneNode {
    /// The tables in which a driver finds the node.
    #[must_use]
    pub fn facade(self) -> Facade {
        let text = |cell: &[u8]| Some(cell::text(cell).ok()?.to_owned());
        let facts = Facts {
            cql_version: self.real("cql_version").and_then(text),
            schema_version: self.real("schema_version").and_then(|cell| cell::uuid(cell).ok()),
        };
        let real = |name: &str, kind: &ColumnType| {
            let same = self.local.iter().find(|it| it.name == name && it.kind == *kind);
            same.and_then(|column| column.cell.clone())
        };
        let is_of_cassandra = self.is_of_cassandra();
        let peers =
            Peers::new(table_name::PEERS, self.peers, &self.nodes, real).worded_by(is_of_cassandra);
        let peers_v2 = Peers::new(table_name::PEERS_V2, self.peers_v2, &self.nodes, real)
            .worded_by(is_of_cassandra);
        let local = Local::new(self.host_id, self.local, self.nodes, is_of_cassandra);
        let mut tables = layout::tables();
        tables.extend::<[Box<dyn VirtualTable>; 3]>([
            Box::new(local),
            Box::new(peers),
            Box::new(peers_v2),
        ]);
        Facade::new(self.style, facts, tables)
    }

    /// Whether the real node is Apache Cassandra 4 or later: ScyllaDB calls itself 3.0.8.
    fn is_of_cassandra(&self) -> bool {
        let version = self.real("release_version").and_then(|cell| cell::text(cell).ok());
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        let is_scylla = self.local.iter().any(|column| column.name == "supported_features");
        !is_scylla && major.is_some_and(|major| major >= 4)
    }

    /// The real node's cell of a column.
    fn real(&self, name: &str) -> Option<&[u8]> {
        self.local.iter().find(|column| column.name == name)?.cell.as_deref()
    }
}

/// `system.local`: the real node's row, but for who and where it is.
#[derive(Debug)]
struct Local {
    host_id: [u8; 16],
    columns: Vec<Column>,
    /// The real node's cell of each column.
    real: Vec<Option<Vec<u8>>>,
    nodes: Vec<ShownNode>,
    is_of_cassandra: bool,
}

impl Local {
    fn new(
        host_id: [u8; 16],
        local: Vec<LocalColumn>,
        nodes: Vec<ShownNode>,
        is_of_cassandra: bool,
    ) -> Self {
        let (mut columns, mut real) = (Vec::new(), Vec::new());
        for LocalColumn { name, kind, cell } in local {
            let is_key = name == "key";
            let role = if is_key { ColumnRole::PartitionKey } else { ColumnRole::Regular };
            columns.push(Column { name, kind, role });
            real.push(cell);
        }
        Self { host_id, columns, real, nodes, is_of_cassandra }
    }

    fn cell<'a>(
        &'a self,
        column: &Column,
        real: Option<&'a [u8]>,
        asked: &Viewpoint<'_>,
    ) -> Cell<'a> {
        // A node that just joined may lack these; a driver needs them.
        let own = ShownNode::at(&self.nodes, asked.seen_at);
        match &*column.name {
            "host_id" => {
                let node = own.and_then(|own| self.nodes.get(own));
                return Some(Cow::Borrowed(node.map_or(&self.host_id, |node| &node.host_id)));
            }
            "tokens" => {
                let token = peers::token(own.unwrap_or(0), self.nodes.len());
                return Some(Cow::Owned(cell::from_text_list(&[&token])));
            }
            _ => {}
        }
        let real = real?;
        if let Some(agreed) =
            asked.live.schema_version().filter(|_| column.name == "schema_version")
        {
            return Some(Cow::Owned(agreed.to_vec()));
        }
        if column.kind == ColumnType::Inet {
            return Some(Cow::Owned(cell::from_inet(asked.seen_at.ip())));
        }
        if column.kind == ColumnType::Int && column.name.ends_with("_port") {
            let port = i32::from(asked.seen_at.port());
            return Some(Cow::Owned(port.to_be_bytes().to_vec()));
        }
        Some(Cow::Borrowed(real))
    }
}

impl VirtualTable for Local {
    fn name(&self) -> VirtualTableName {
        table_name::LOCAL
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn is_of_cassandra(&self) -> bool {
        self.is_of_cassandra
    }

    fn visit(&self, asked: &Viewpoint<'_>, from: u64, take: &mut dyn FnMut(Row<'_>) -> bool) {
        if from > 0 {
            return;
        }
        let cells = self.columns.iter().zip(&self.real);
        let cells = cells.map(|(column, real)| self.cell(column, real.as_deref(), asked));
        take(Row { position: 0, cells: cells.collect() });
    }
}

#[cfg(test)]
mod tests;
