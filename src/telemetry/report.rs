//! What workers and control hand in when somebody asks for the metrics: plain data, copied once a
//! scrape.

use crate::engine::tally::Tally;

/// The numbers of one worker.
#[derive(Clone, Debug, Default)]
pub struct WorkerReport {
    /// What its engine counted.
    pub tally: Tally,
    /// `keyspace.table` of each table number in the tally's feedback.
    pub table_names: Vec<String>,
    /// Clients that are connected.
    pub client_count: u64,
    /// Requests that wait for a node's answer, orphans included.
    pub in_flight_count: u64,
    /// Of those, the ones for which nobody waits any more.
    pub orphan_count: u64,
    /// Prepared statements in the catalog.
    pub catalog_entry_count: u64,
    /// Bytes of the catalog.
    pub catalog_bytes: u64,
    /// Lanes by node and state.
    pub lanes: Vec<LaneCount>,
}

/// Lanes of one node in one state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LaneCount {
    /// Address of the node.
    pub node: String,
    /// `open`, `opening`, `draining` or `waiting` (for its next attempt).
    pub state: &'static str,
    /// How many.
    pub count: u64,
}

/// What is known of the cluster, apart from workers.
#[derive(Clone, Debug, Default)]
pub struct ClusterReport {
    /// Nodes that are up.
    pub nodes_up: u64,
    /// Nodes that are down.
    pub nodes_down: u64,
    /// Tablets whose replicas are known.
    pub tablet_count: u64,
    /// What happened when nodes were dialled.
    pub dials: Vec<DialReport>,
}

/// What happened when one node was dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialReport {
    /// Address of the node.
    pub node: String,
    /// Attempts by result, such as `opened` or `timed_out`.
    pub results: Vec<(&'static str, u64)>,
    /// Connections to another shard than the source port names.
    pub mismatches: u64,
    /// What is known of its shard-aware port.
    pub port_verdict: &'static str,
}
