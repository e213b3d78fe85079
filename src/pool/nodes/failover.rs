//! Which nodes get lanes: the chosen ones of the local data center, the others while no chosen one
//! can be reached, and other data centers while no local node can, if the operator allows.
//!
//! It decides and does nothing: the worker reports what happened, and dials the nodes that it names.

use std::mem;

use crate::pool::nodes::node_target::NodeTarget;
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
    /// Nodes of the local data center that are used while one of them can be reached; 0 is all.
    pub local_nodes_max: usize,
}

impl Default for FailoverSettings {
    fn default() -> Self {
        Self { remote_nodes_max: 0, after_ms: 3_000, local_consistency: false, local_nodes_max: 0 }
    }
}

/// Where one worker's lanes go.
#[derive(Debug)]
pub struct Failover {
    settings: FailoverSettings,
    /// The chosen ones first.
    local: Vec<NodeTarget>,
    remote: Vec<NodeTarget>,
    /// Since when there is no lane to a chosen node; absent while there is one.
    unchosen_since_us: Option<u64>,
    /// Whether all local nodes are used.
    is_wide: bool,
    /// Since when there is no lane to a local node; absent while there is one.
    without_since_us: Option<u64>,
    is_active: bool,
}

/// Lanes that there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reachable {
    /// One at least leads to a chosen node.
    pub chosen: bool,
    /// One at least leads to a local node.
    pub local: bool,
}

impl Failover {
    /// Without nodes, and without lanes since `now_us`.
    #[must_use]
    pub fn new(settings: FailoverSettings, now_us: u64) -> Self {
        let (local, remote) = (Vec::new(), Vec::new());
        let since_us = Some(now_us);
        Self {
            settings,
            local,
            remote,
            unchosen_since_us: since_us,
            is_wide: false,
            without_since_us: since_us,
            is_active: false,
        }
    }

    /// Goes by these settings from now on.
    pub fn set_settings(&mut self, settings: FailoverSettings) {
        self.settings = settings;
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> FailoverSettings {
        self.settings
    }

    /// Takes the nodes of the local data center, those that are preferred first, and those to be
    /// used in their stead. The time until failover begins with the first nodes: before, none could be
    /// dialled.
    pub fn set_nodes(&mut self, local: Vec<NodeTarget>, remote: Vec<NodeTarget>, now_us: u64) {
        if self.local.is_empty() {
            self.without_since_us = self.without_since_us.map(|_| now_us);
            self.unchosen_since_us = self.unchosen_since_us.map(|_| now_us);
        }
        self.local = local;
        self.remote = remote;
    }

    /// The nodes that get lanes now.
    #[must_use]
    pub fn targets(&self) -> Vec<NodeTarget> {
        let remote = self.remote.iter().filter(|_| self.is_active);
        let local = if self.is_wide { &self.local[..] } else { self.chosen() };
        local.iter().chain(remote).copied().collect()
    }

    /// All nodes of the local data center, the chosen ones first.
    #[must_use]
    pub fn local(&self) -> &[NodeTarget] {
        &self.local
    }

    /// The nodes that are used while one of them can be reached.
    #[must_use]
    pub fn chosen(&self) -> &[NodeTarget] {
        let count = self.settings.local_nodes_max;
        if count == 0 { &self.local } else { self.local.get(..count).unwrap_or(&self.local) }
    }

    /// Whether a node is one of those that are used while one of them can be reached.
    #[must_use]
    pub fn is_chosen(&self, node: NodeId) -> bool {
        self.chosen().iter().any(|target| target.node == node)
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

    /// Records which nodes have a lane. Returns whether the targets have changed.
    pub fn on_lanes(&mut self, reached: Reachable, now_us: u64) -> bool {
        let narrows = note_reached(&mut self.unchosen_since_us, reached.chosen, now_us)
            && mem::replace(&mut self.is_wide, false);
        let leaves_others = note_reached(&mut self.without_since_us, reached.local, now_us)
            && mem::replace(&mut self.is_active, false);
        narrows || leaves_others
    }

    /// Time has passed. Returns whether the targets have changed. A data center without any node is
    /// a wrong setting, and no other stands in for it.
    pub fn on_time(&mut self, now_us: u64) -> bool {
        let after_us = self.settings.after_ms.saturating_mul(1_000);
        let is_due = |since: Option<u64>| {
            since.is_some_and(|since| now_us.saturating_sub(since) >= after_us)
        };
        let widens = !self.is_wide
            && is_due(self.unchosen_since_us)
            && self.chosen().len() < self.local.len();
        if widens {
            self.is_wide = true;
            // The time until other data centers are used begins anew.
            self.without_since_us = self.without_since_us.map(|_| now_us);
            return true;
        }
        if self.is_active
            || !is_due(self.without_since_us)
            || self.remote.is_empty()
            || self.local.is_empty()
        {
            return false;
        }
        self.is_active = true;
        true
    }

    /// Whether other data centers are used now.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_active
    }
}

/// Notes since when no node is reached. Returns `is_reached`.
fn note_reached(since_us: &mut Option<u64>, is_reached: bool, now_us: u64) -> bool {
    if is_reached {
        *since_us = None;
    } else {
        since_us.get_or_insert(now_us);
    }
    is_reached
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::pool::nodes::node_target::ShardPort;

    const ALL: Reachable = Reachable { chosen: true, local: true };
    const NONE: Reachable = Reachable { chosen: false, local: false };

    fn target(node: u16) -> NodeTarget {
        let address = SocketAddr::from(([10, 0, 0, 1], 9042));
        NodeTarget { node: NodeId(node), host: None, address, shard_port: ShardPort::AsAdvertised }
    }

    fn failover() -> Failover {
        let mut failover = Failover::new(FailoverSettings::default(), 0);
        failover.set_nodes(vec![target(1), target(2)], vec![target(7)], 500_000);
        failover
    }

    fn nodes(failover: &Failover) -> Vec<u16> {
        failover.targets().iter().map(|target| target.node.0).collect()
    }

    #[test]
    fn others_are_dialled_only_after_a_while_without_any_local_lane() {
        let mut failover = failover();
        assert!(!failover.on_lanes(ALL, 1));
        assert!(!failover.on_time(9_000_000));
        assert!(!failover.on_lanes(NONE, 10_000_000));
        assert!(!failover.on_time(12_999_999));
        assert_eq!(nodes(&failover), [1, 2]);
        assert!(failover.on_time(13_000_000));
        assert_eq!((nodes(&failover), failover.remote_nodes()), (vec![1, 2, 7], vec![NodeId(7)]));
        assert!(!failover.on_time(14_000_000), "that is no news");
    }

    #[test]
    fn the_first_local_lane_ends_it() {
        let mut failover = failover();
        assert!(!failover.on_time(3_499_999), "the nodes are known for less than that");
        assert!(failover.on_time(3_500_000), "no node was reached since the beginning");
        assert!(failover.on_lanes(ALL, 4_000_000));
        assert_eq!((nodes(&failover), failover.remote_nodes()), (vec![1, 2], Vec::new()));
        assert!(!failover.on_lanes(ALL, 5_000_000));
    }

    #[test]
    fn no_node_stands_in_for_a_data_center_that_does_not_exist() {
        let mut failover = Failover::new(FailoverSettings::default(), 0);
        failover.set_nodes(Vec::new(), vec![target(7)], 0);
        assert!(!failover.on_time(60_000_000));
        failover.set_nodes(vec![target(1)], Vec::new(), 60_000_000);
        assert!(!failover.on_time(90_000_000), "and there are no other nodes");
    }

    #[test]
    fn nodes_that_were_not_chosen_stand_in_for_those_that_were_before_other_data_centers_do() {
        let settings = FailoverSettings { local_nodes_max: 2, ..FailoverSettings::default() };
        let mut failover = Failover::new(settings, 0);
        failover.set_nodes(vec![target(3), target(1), target(2)], vec![target(7)], 0);
        assert_eq!(nodes(&failover), [3, 1]);
        assert!(!failover.on_lanes(ALL, 1));
        assert!(!failover.on_lanes(NONE, 10_000_000));
        assert!(!failover.on_time(12_999_999));
        assert!(failover.on_time(13_000_000));
        assert_eq!(nodes(&failover), [3, 1, 2]);
        assert!(!failover.on_time(15_999_999), "the third has its time");
        assert!(failover.on_time(16_000_000));
        assert_eq!(nodes(&failover), [3, 1, 2, 7]);
        assert!(failover.on_lanes(Reachable { chosen: false, local: true }, 17_000_000));
        assert_eq!(nodes(&failover), [3, 1, 2]);
        assert!(failover.on_lanes(ALL, 18_000_000));
        assert_eq!((nodes(&failover), failover.is_chosen(NodeId(2))), (vec![3, 1], false));
    }

    #[test]
    fn a_stand_in_that_is_chosen_then_ends_the_failover() {
        let settings = FailoverSettings { local_nodes_max: 1, ..FailoverSettings::default() };
        let mut failover = Failover::new(settings, 0);
        failover.set_nodes(vec![target(1), target(2)], Vec::new(), 0);
        assert!(failover.on_time(3_000_000), "the chosen one is never reached");
        assert!(!failover.on_lanes(Reachable { chosen: false, local: true }, 4_000_000));
        failover.set_nodes(vec![target(2), target(3)], Vec::new(), 5_000_000);
        assert!(failover.on_lanes(ALL, 5_000_000), "it has left, and the second is in its place");
        assert_eq!(nodes(&failover), [2]);
    }
}
