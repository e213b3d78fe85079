//! The tables of the console, by name.

use crate::facade::tables::table_name::VirtualTableName;

/// The keyspace of the console.
pub const KEYSPACE: &str = "shardlane";

/// A table of the console.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum ConsoleTable {
    /// Clients that are connected.
    Clients,
    /// The latest lines of the log.
    Events,
    /// Connections to the shards.
    Lanes,
    /// Nodes of the cluster.
    Nodes,
    /// Requests by table and by the reason why they went where they went.
    Routing,
    /// What the operator set, and where.
    Settings,
    /// The latest requests that took long.
    SlowRequests,
    /// Statements that clients prepared.
    Statements,
    /// Tables that clients use.
    Tables,
    /// Tablets that were learned.
    Tablets,
}

impl ConsoleTable {
    /// All tables, in the order of their numbers and of their names.
    pub const ALL: [Self; 10] = [
        Self::Clients,
        Self::Events,
        Self::Lanes,
        Self::Nodes,
        Self::Routing,
        Self::Settings,
        Self::SlowRequests,
        Self::Statements,
        Self::Tables,
        Self::Tablets,
    ];

    /// Its keyspace and its name.
    #[must_use]
    pub const fn name(self) -> VirtualTableName {
        let table = match self {
            Self::Clients => "clients",
            Self::Events => "events",
            Self::Lanes => "lanes",
            Self::Nodes => "nodes",
            Self::Routing => "routing",
            Self::Settings => "settings",
            Self::SlowRequests => "slow_requests",
            Self::Statements => "statements",
            Self::Tables => "tables",
            Self::Tablets => "tablets",
        };
        VirtualTableName { keyspace: KEYSPACE, table }
    }

    /// The table of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name().table == name)
    }

    /// The table that `name` names, if it is one of the console.
    #[must_use]
    pub fn of(name: VirtualTableName) -> Option<Self> {
        Some(name.table).filter(|_| name.keyspace == KEYSPACE).and_then(Self::find)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_stands_at_its_number_and_is_found_by_its_name() {
        for (number, table) in ConsoleTable::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(table as u8), number);
            assert_eq!(ConsoleTable::of(table.name()), Some(table));
        }
        assert!(ConsoleTable::ALL.is_sorted_by_key(|table| table.name().table));
        assert_eq!(
            ConsoleTable::of(VirtualTableName { keyspace: "system", table: "clients" }),
            None
        );
    }
}
