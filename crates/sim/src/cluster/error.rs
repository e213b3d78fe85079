//! Errors of administrative operations.

use thiserror::Error;

/// An operation that is not possible, or options that make no cluster.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ClusterError {
    /// No node has this number.
    #[error("there is no node {0}")]
    UnknownNode(usize),
    /// No node has this host id.
    #[error("there is no node with host id {0}")]
    UnknownHost(String),
    /// The table does not exist, or is not divided into tablets.
    #[error("{keyspace}.{table} has no tablets")]
    NoTablets {
        /// The keyspace.
        keyspace: String,
        /// The table.
        table: String,
    },
    /// The source of a move is no replica.
    #[error("node {node} shard {shard} is no replica of the tablet with token {token}")]
    NoReplica {
        /// Number of the node.
        node: usize,
        /// Its shard.
        shard: u16,
        /// A token of the tablet.
        token: i64,
    },
    /// The destination of a move has the tablet already.
    #[error("node {0} is already a replica of this tablet")]
    AlreadyReplica(usize),
    /// The node has no such shard.
    #[error("node {node} has no shard {shard}, it has {nr_shards}")]
    UnknownShard {
        /// Number of the node.
        node: usize,
        /// The shard asked for.
        shard: u16,
        /// How many it has.
        nr_shards: u16,
    },
    /// Tables with tablets forbid fewer shards (as the real server does).
    #[error("node {node} has tablets on shard {shard}: reducing shards is not supported")]
    TabletsInTheWay {
        /// Number of the node.
        node: usize,
        /// The highest shard that has a tablet.
        shard: u16,
    },
    /// One tablet cannot be merged.
    #[error("a table with one tablet cannot be merged")]
    NothingToMerge,
    /// A node is running and must not be, or the other way round.
    #[error("node {node} is {state}")]
    Running {
        /// Number of the node.
        node: usize,
        /// What it is.
        state: &'static str,
    },
    /// A keyspace would have more replicas than nodes.
    #[error("node {0} cannot leave: too few nodes would be left for {1}")]
    TooFewNodes(usize, String),
    /// Every node needs at least one shard.
    #[error("a node needs at least one shard")]
    NoShards,
    /// A cluster needs at least one node.
    #[error("a cluster needs at least one node")]
    NoNodes,
    /// Addresses of nodes count up in the last octet, and would pass 255.
    #[error("{count} nodes do not fit into the addresses from {base} on")]
    NoAddress {
        /// How many nodes were asked for.
        count: usize,
        /// The address of the first one.
        base: String,
    },
}
