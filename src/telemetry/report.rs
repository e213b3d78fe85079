//! What workers and control hand in when somebody asks for the metrics: plain data, copied once a
//! scrape.

use std::sync::Arc;

use crate::engine::gauges::Gauges;
use crate::engine::tally::Tally;
use crate::flow::limits::Limits;
use crate::topology::id::NodeId;
use crate::topology::snapshot::Snapshot;

/// The numbers of one worker.
#[derive(Clone, Debug, Default)]
pub struct WorkerReport {
    /// What its engine has counted so far.
    pub tally: Tally,
    /// What its engine holds now.
    pub gauges: Gauges,
}

/// What is known apart from workers.
#[derive(Clone, Debug, Default)]
pub struct ClusterReport {
    /// The newest picture of the cluster; it names the nodes.
    pub snapshot: Arc<Snapshot>,
    /// The bounds in force.
    pub limits: Limits,
    /// What happened when nodes were dialled.
    pub dials: Vec<DialReport>,
}

/// What happened when one node was dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialReport {
    /// The node.
    pub node: NodeId,
    /// Attempts by result, such as `opened` or `timed_out`.
    pub results: Vec<(&'static str, u64)>,
    /// Connections to a shard that had its lane already.
    pub excess: u64,
    /// Source ports that could not be bound.
    pub ports_taken: u64,
    /// Connections to another shard than the source port names.
    pub mismatches: u64,
    /// What is known of its shard-aware port.
    pub port_verdict: &'static str,
}
