//! `system.peers` and `peers_v2`: no row, whatever the cluster has, but for other addresses of ours.
//!
//! A driver that learnt of real nodes would connect to them and pass us by. Where each address at which
//! clients connect is to look like a node, the others are the peers of the one that is asked.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::facade::tables::table_name::VirtualTableName;
use crate::facade::tables::virtual_table::{
    Cell, Column, ColumnRole, Row, Viewpoint, VirtualTable,
};
use cql::values::cell;
use cql::values::column_type::ColumnType;

/// An address of ours that clients see as a node of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShownNode {
    /// Where clients connect.
    pub address: SocketAddr,
    /// As for the one node: the same over restarts.
    pub host_id: [u8; 16],
}

impl ShownNode {
    /// Which of `nodes` a client sees that reached us at `address`.
    #[must_use]
    pub fn at(nodes: &[Self], address: SocketAddr) -> Option<usize> {
        nodes.iter().position(|node| node.address == address)
    }
}

/// The token of the node of this number among so many: drivers that want any find one each, and equal
/// parts of the ring. It makes no difference which node is asked for what.
#[must_use]
pub fn token(number: usize, count: usize) -> String {
    let wide = |count| i128::try_from(count).unwrap_or(1);
    let (number, count) = (wide(number), wide(count.max(1)));
    (i128::from(i64::MIN) + (1 << 63) * (2 * number + 1) / count).to_string()
}

/// `system.peers` or `peers_v2`.
#[derive(Debug)]
pub(crate) struct Peers {
    name: VirtualTableName,
    columns: Vec<Column>,
    is_of_cassandra: bool,
    /// The real node's cell of each column that `system.local` has, too.
    real: Vec<Option<Vec<u8>>>,
    nodes: Vec<ShownNode>,
}

impl Peers {
    /// A table of these columns. Its rows are all of `nodes` but the one that is asked. `real` is the
    /// real node's cell of a column of this name and type: each is at its place, and of its release.
    pub(crate) fn new(
        name: VirtualTableName,
        columns: Vec<(String, ColumnType)>,
        nodes: &[ShownNode],
        real: impl Fn(&str, &ColumnType) -> Option<Vec<u8>>,
    ) -> Self {
        let column = |(name, kind): (String, ColumnType)| {
            let role = match &*name {
                "peer" => ColumnRole::PartitionKey,
                "peer_port" => ColumnRole::ClusteringKey,
                _ => ColumnRole::Regular,
            };
            Column { name, kind, role }
        };
        Self {
            name,
            real: columns.iter().map(|(name, kind)| real(name, kind)).collect(),
            columns: columns.into_iter().map(column).collect(),
            is_of_cassandra: false,
            nodes: nodes.to_vec(),
        }
    }

    fn cell<'a>(
        &'a self,
        column: &Column,
        real: Option<&'a [u8]>,
        number: usize,
        node: &'a ShownNode,
        asked: &Viewpoint<'_>,
    ) -> Cell<'a> {
        let cell = match &*column.name {
            "host_id" => return Some(Cow::Borrowed(&node.host_id)),
            "preferred_ip" | "preferred_port" => return None,
            "tokens" => cell::from_text_list(&[&token(number, self.nodes.len())]),
            "schema_version" => match asked.live.schema_version() {
                Some(agreed) => agreed.to_vec(),
                None => real?.to_vec(),
            },
            _ if column.kind == ColumnType::Inet => cell::from_inet(node.address.ip()),
            name if column.kind == ColumnType::Int && name.ends_with("_port") => {
                i32::from(node.address.port()).to_be_bytes().to_vec()
            }
            _ => return real.map(Cow::Borrowed),
        };
        Some(Cow::Owned(cell))
    }
}

impl Peers {
    /// Has its errors worded by the server that its nodes are.
    pub(crate) fn worded_by(self, is_of_cassandra: bool) -> Self {
        Self { is_of_cassandra, ..self }
    }
}

impl VirtualTable for Peers {
    fn name(&self) -> VirtualTableName {
        self.name
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn is_of_cassandra(&self) -> bool {
        self.is_of_cassandra
    }

    fn visit(&self, asked: &Viewpoint<'_>, from: u64, take: &mut dyn FnMut(Row<'_>) -> bool) {
        let Some(own) = ShownNode::at(&self.nodes, asked.seen_at) else { return };
        for (position, (number, node)) in (0..).zip(self.nodes.iter().enumerate()) {
            if number == own || position < from {
                continue;
            }
            let cells = self.columns.iter().zip(&self.real);
            let cells =
                cells.map(|(column, real)| self.cell(column, real.as_deref(), number, node, asked));
            if !take(Row { position, cells: cells.collect() }) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_in_the_middle_of_equal_parts_of_the_ring() {
        assert_eq!(token(0, 1), "0");
        assert_eq!([token(0, 2), token(1, 2)], ["-4611686018427387904", "4611686018427387904"]);
        assert_eq!(token(2, 3), "6148914691236517205");
    }
}
