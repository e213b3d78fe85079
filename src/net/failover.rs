//! When no node of the local data center can be reached: nodes of others, if the operator allows.
//!
//! It decides and does nothing: the worker tells it what happened, and dials whom it names.

use crate::net::lanes::dial::NodeTarget;
use crate::topology::id::NodeId;

/// Whether, when, and for which requests other data centers are used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FailoverSettings {
    /// Nodes of each other data center that are used; 0 is never.
    pub remote_nodes_max: usize,
    /// Time without any lane to the local data center before others are dialled, milliseconds.
    pub after_ms: u64,
    /// Whether requests whose consistency names the local data center go to others, where the
    /// word means another one. Drivers call it `allow_remote_dcs_for_local_consistency_level`.
    pub local_consistency: bool,
}

impl Default for FailoverSettings {
    fn default() -> Self {
        Self { remote_nodes_max: 0, after_ms: 3_000, local_consistency: false }
    }
}

/// Where one worker's lanes go.
#[derive(Debug)]
pub struct Failover {
    settings: FailoverSettings,
    local: Vec<NodeTarget>,
    remote: Vec<NodeTarget>,
    /// Since when there is no lane to a local node; absent while there is one.
    without_since_us: Option<u64>,
    is_active: bool,
}

impl Failover {
    /// Without nodes, and without lanes since `now_us`.
    #[must_use]
    pub fn new(settings: FailoverSettings, now_us: u64) -> Self {
        let (local, remote) = (Vec::new(), Vec::new());
        Self { settings, local, remote, without_since_us: Some(now_us), is_active: false }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> FailoverSettings {
        self.settings
    }

    /// Takes the nodes of the local data center, and those to be used in their stead.
    pub fn set_nodes(&mut self, local: Vec<NodeTarget>, remote: Vec<NodeTarget>) {
        self.local = local;
        self.remote = remote;
    }

    /// Who wants lanes now.
    #[must_use]
    pub fn targets(&self) -> Vec<NodeTarget> {
        let remote = self.remote.iter().filter(|_| self.is_active);
        self.local.iter().chain(remote).copied().collect()
    }

    /// The nodes of other data centers that are used now.
    #[must_use]
    pub fn remote_nodes(&self) -> Vec<NodeId> {
        let remote = self.remote.iter().filter(|_| self.is_active);
        remote.map(|target| target.node).collect()
    }

    /// Whether a node is of the local data center.
    #[must_use]
    pub fn is_local(&self, node: NodeId) -> bool {
        self.local.iter().any(|target| target.node == node)
    }

    /// Takes in whether there is a lane to a local node. Whether targets are others now.
    pub fn on_local_lanes(&mut self, are_there: bool, now_us: u64) -> bool {
        if are_there {
            self.without_since_us = None;
            return std::mem::replace(&mut self.is_active, false);
        }
        self.without_since_us.get_or_insert(now_us);
        false
    }

    /// Time has passed. Whether targets are others now. A data center without any node is a
    /// wrong setting, and nobody stands in for it.
    pub fn on_time(&mut self, now_us: u64) -> bool {
        let after_us = self.settings.after_ms.saturating_mul(1_000);
        let is_due =
            self.without_since_us.is_some_and(|since| now_us.saturating_sub(since) >= after_us);
        if self.is_active || !is_due || self.remote.is_empty() || self.local.is_empty() {
            return false;
        }
        self.is_active = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::net::lanes::dial::ShardPort;

    fn target(node: u16) -> NodeTarget {
        let address = SocketAddr::from(([10, 0, 0, 1], 9042));
        NodeTarget { node: NodeId(node), host: None, address, shard_port: ShardPort::AsTold }
    }

    fn failover() -> Failover {
        let mut failover = Failover::new(FailoverSettings::default(), 0);
        failover.set_nodes(vec![target(1), target(2)], vec![target(7)]);
        failover
    }

    fn nodes(failover: &Failover) -> Vec<u16> {
        failover.targets().iter().map(|target| target.node.0).collect()
    }

    #[test]
    fn others_are_dialled_only_after_a_while_without_any_local_lane() {
        let mut failover = failover();
        assert!(!failover.on_local_lanes(true, 1));
        assert!(!failover.on_time(9_000_000));
        assert!(!failover.on_local_lanes(false, 10_000_000));
        assert!(!failover.on_time(12_999_999));
        assert_eq!(nodes(&failover), [1, 2]);
        assert!(failover.on_time(13_000_000));
        assert_eq!((nodes(&failover), failover.remote_nodes()), (vec![1, 2, 7], vec![NodeId(7)]));
        assert!(!failover.on_time(14_000_000), "that is no news");
    }

    #[test]
    fn the_first_local_lane_ends_it() {
        let mut failover = failover();
        assert!(failover.on_time(3_000_000), "nobody was reached since the beginning");
        assert!(failover.on_local_lanes(true, 4_000_000));
        assert_eq!((nodes(&failover), failover.remote_nodes()), (vec![1, 2], Vec::new()));
        assert!(!failover.on_local_lanes(true, 5_000_000));
    }

    #[test]
    fn nobody_stands_in_for_a_data_center_that_is_not_there() {
        let mut failover = Failover::new(FailoverSettings::default(), 0);
        failover.set_nodes(Vec::new(), vec![target(7)]);
        assert!(!failover.on_time(60_000_000));
        failover.set_nodes(vec![target(1)], Vec::new());
        assert!(!failover.on_time(60_000_000), "and without others there is nobody to");
    }
}
