//! The columns of each table of the console, and how its rows are handed out.

use std::borrow::Cow;

use crate::facade::console::table::ConsoleTable;
use crate::facade::tables::table_name::VirtualTableName;
use crate::facade::tables::virtual_table::{
    Cell, Column, ColumnRole, Row, Viewpoint, VirtualTable,
};
use cql::values::column_type::ColumnType;

/// What a column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Bigint,
    Blob,
    Boolean,
    Double,
    Inet,
    Int,
    Text,
    Texts,
    Timestamp,
    Uuid,
}

use ColumnRole::{ClusteringKey, PartitionKey, Regular, Static};
use Kind::{Bigint, Blob, Boolean, Double, Inet, Int, Text, Texts, Timestamp, Uuid};

type ColumnLine = (&'static str, Kind, ColumnRole);

/// What a table is for, in one line.
#[must_use]
pub(crate) fn comment(table: ConsoleTable) -> &'static str {
    match table {
        ConsoleTable::Clients => "clients that are connected",
        ConsoleTable::Events => "the latest lines of the log, the newest first",
        ConsoleTable::Lanes => "connections to the shards",
        ConsoleTable::Nodes => "nodes of the cluster",
        ConsoleTable::Routing => {
            "requests by table and by the reason why they went where they went; \
             an empty name stands for requests whose table is not known; \
             tables that were dropped stay"
        }
        ConsoleTable::Settings => "settings, and where each value comes from",
        ConsoleTable::SlowRequests => "the latest requests that took long, the newest first",
        ConsoleTable::Statements => "prepared statements, without values",
        ConsoleTable::Tables => {
            "tables in use, as far as the schema has them; \
             hits and misses are the judgement of the server"
        }
        ConsoleTable::Tablets => "tablets that were learned",
    }
}

const CLIENTS: &[ColumnLine] = &[
    ("address", Text, PartitionKey),
    ("worker", Int, ClusteringKey),
    ("id", Int, ClusteringKey),
    ("driver_name", Text, Regular),
    ("driver_version", Text, Regular),
    ("protocol_version", Int, Regular),
    ("compression", Text, Regular),
    ("keyspace_name", Text, Regular),
    ("role", Text, Regular),
    ("in_flight", Int, Regular),
    ("since", Timestamp, Regular),
];

const EVENTS: &[ColumnLine] = &[
    ("number", Bigint, PartitionKey),
    ("at", Timestamp, Regular),
    ("level", Text, Regular),
    ("source", Text, Regular),
    ("message", Text, Regular),
];

const LANES: &[ColumnLine] = &[
    ("node", Inet, PartitionKey),
    ("shard", Int, ClusteringKey),
    ("worker", Int, ClusteringKey),
    ("id", Int, ClusteringKey),
    ("state", Text, Regular),
    ("keyspace_name", Text, Regular),
    ("in_flight", Int, Regular),
    ("orphans", Int, Regular),
    ("requests", Bigint, Regular),
    ("mean_us", Bigint, Regular),
    ("unsent_bytes", Bigint, Regular),
    ("idle_ms", Bigint, Regular),
    ("compression", Text, Regular),
];

const NODES: &[ColumnLine] = &[
    ("address", Inet, PartitionKey),
    ("port", Int, Regular),
    ("host_id", Uuid, Regular),
    ("data_center", Text, Regular),
    ("rack", Text, Regular),
    ("shards", Int, Regular),
    ("lanes_open", Int, Regular),
    ("lanes_stalled", Int, Regular),
    ("lanes_draining", Int, Regular),
    ("in_flight", Int, Regular),
    ("shard_aware_port", Text, Regular),
];

const ROUTING: &[ColumnLine] = &[
    ("keyspace_name", Text, PartitionKey),
    ("table_name", Text, PartitionKey),
    ("reason", Text, ClusteringKey),
    ("hits", Bigint, Static),
    ("misses", Bigint, Static),
    ("requests", Bigint, Regular),
    ("to_replica", Boolean, Regular),
    ("advice", Text, Regular),
];

const SETTINGS: &[ColumnLine] = &[
    ("name", Text, PartitionKey),
    ("value", Text, Regular),
    ("origin", Text, Regular),
    ("reload", Text, Regular),
];

const SLOW_REQUESTS: &[ColumnLine] = &[
    ("worker", Int, PartitionKey),
    ("number", Bigint, ClusteringKey),
    ("at", Timestamp, Regular),
    ("waited_us", Bigint, Regular),
    ("kind", Text, Regular),
    ("keyspace_name", Text, Regular),
    ("table_name", Text, Regular),
    ("statement", Text, Regular),
    ("client", Text, Regular),
    ("node", Inet, Regular),
    ("shard", Int, Regular),
    ("resent", Int, Regular),
    ("failed", Boolean, Regular),
];

const STATEMENTS: &[ColumnLine] = &[
    ("id", Blob, PartitionKey),
    ("keyspace_name", Text, Regular),
    ("table_name", Text, Regular),
    ("statement", Text, Regular),
    ("requests", Bigint, Regular),
    ("mean_us", Bigint, Regular),
    ("p99_us", Bigint, Regular),
    ("route", Text, Regular),
    ("advice", Text, Regular),
    ("lwt", Boolean, Regular),
];

const TABLES: &[ColumnLine] = &[
    ("keyspace_name", Text, PartitionKey),
    ("table_name", Text, ClusteringKey),
    ("found_by", Text, Regular),
    ("tablets", Bigint, Regular),
    ("requests", Bigint, Regular),
    ("to_replica", Bigint, Regular),
    ("hits", Bigint, Regular),
    ("misses", Bigint, Regular),
    ("hit_percent", Double, Regular),
];

const TABLETS: &[ColumnLine] = &[
    ("keyspace_name", Text, PartitionKey),
    ("table_name", Text, PartitionKey),
    ("last_token", Bigint, ClusteringKey),
    ("first_token", Bigint, Regular),
    ("replicas", Texts, Regular),
    ("workers", Int, Regular),
];

const fn lines(table: ConsoleTable) -> &'static [ColumnLine] {
    match table {
        ConsoleTable::Clients => CLIENTS,
        ConsoleTable::Events => EVENTS,
        ConsoleTable::Lanes => LANES,
        ConsoleTable::Nodes => NODES,
        ConsoleTable::Routing => ROUTING,
        ConsoleTable::Settings => SETTINGS,
        ConsoleTable::SlowRequests => SLOW_REQUESTS,
        ConsoleTable::Statements => STATEMENTS,
        ConsoleTable::Tables => TABLES,
        ConsoleTable::Tablets => TABLETS,
    }
}

impl Kind {
    fn column_type(self) -> ColumnType {
        match self {
            Self::Bigint => ColumnType::Bigint,
            Self::Blob => ColumnType::Blob,
            Self::Boolean => ColumnType::Boolean,
            Self::Double => ColumnType::Double,
            Self::Inet => ColumnType::Inet,
            Self::Int => ColumnType::Int,
            Self::Text => ColumnType::Varchar,
            Self::Texts => ColumnType::List(Box::new(ColumnType::Varchar)),
            Self::Timestamp => ColumnType::Timestamp,
            Self::Uuid => ColumnType::Uuid,
        }
    }
}

/// The columns of a table, in the order of `SELECT *`.
#[must_use]
pub(crate) fn columns(table: ConsoleTable) -> Vec<Column> {
    let column = |(name, kind, role): &ColumnLine| Column {
        name: (*name).to_owned(),
        kind: kind.column_type(),
        role: *role,
    };
    lines(table).iter().map(column).collect()
}

/// All tables of the console.
#[must_use]
pub(crate) fn tables() -> Vec<Box<dyn VirtualTable>> {
    let shown =
        |table| -> Box<dyn VirtualTable> { Box::new(Shown { table, columns: columns(table) }) };
    ConsoleTable::ALL.map(shown).into()
}

/// A table of the console, whose rows are those that were last collected.
#[derive(Debug)]
struct Shown {
    table: ConsoleTable,
    columns: Vec<Column>,
}

impl VirtualTable for Shown {
    fn name(&self) -> VirtualTableName {
        self.table.name()
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn visit(&self, asked: &Viewpoint<'_>, from: u64, take: &mut dyn FnMut(Row<'_>) -> bool) {
        let Some(contents) = asked.live.console(self.table) else { return };
        let skipped = usize::try_from(from).unwrap_or(usize::MAX);
        for (position, row) in (from..).zip(contents.rows().iter().skip(skipped)) {
            let cells: Vec<Cell<'_>> =
                row.iter().map(|cell| cell.as_deref().map(Cow::Borrowed)).collect();
            if !take(Row { position, cells }) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_each_table_comes_first_and_no_column_twice() {
        for table in ConsoleTable::ALL {
            let columns = columns(table);
            assert_eq!(columns[0].role, PartitionKey, "{table:?}");
            let place = |role| match role {
                PartitionKey => 0,
                ClusteringKey => 1,
                Static => 2,
                Regular => 3,
            };
            assert!(columns.is_sorted_by_key(|column| place(column.role)), "{table:?}");
            for column in &columns {
                assert_eq!(columns.iter().filter(|one| one.name == column.name).count(), 1);
            }
            assert!(!comment(table).is_empty());
        }
    }
}
