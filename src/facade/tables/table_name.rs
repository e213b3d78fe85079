//! The tables that are answered here, by name.
//!
//! Their names are known before the cluster is, so that no question about them ever reaches a node.

/// Names a table that is answered here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VirtualTableName {
    /// Its keyspace.
    pub keyspace: &'static str,
    /// Its name in the keyspace.
    pub table: &'static str,
}

/// The node that the driver is connected to.
pub const LOCAL: VirtualTableName = VirtualTableName { keyspace: "system", table: "local" };
/// All other nodes: none, or the other addresses that are shown as nodes.
pub const PEERS: VirtualTableName = VirtualTableName { keyspace: "system", table: "peers" };
/// The same since Cassandra 4; ScyllaDB has no such table.
pub const PEERS_V2: VirtualTableName = VirtualTableName { keyspace: "system", table: "peers_v2" };

/// Keyspaces that have such tables.
pub const KEYSPACES: [&str; 1] = ["system"];

/// Every table that is answered here.
const TABLES: [VirtualTableName; 3] = [LOCAL, PEERS, PEERS_V2];

impl VirtualTableName {
    /// The table of this name, if it is answered here.
    #[must_use]
    pub fn find(keyspace: &str, table: &str) -> Option<Self> {
        TABLES.into_iter().find(|name| name.keyspace == keyspace && name.table == table)
    }
}
