//! Other data centers, while no node of our own can be reached: the workers' own rules, played out.

use crate::network::link::End;
use crate::proxy::lanes::KeeperKey;
use crate::scenario::OUR_CENTER;
use crate::world::World;
use shardlane::pool::failover::{Failover, Reached};
use shardlane::pool::node_target::{NodeTarget, ShardPort};
use shardlane::topology::id::NodeId;
use shardlane::topology::node::Node;
use shardlane::topology::snapshot::Snapshot;

impl World {
    /// A worker takes the nodes of a new picture: those that get lanes, and those that stand in.
    pub(crate) fn take_targets(&mut self, number: usize, snapshot: &Snapshot) {
        let nodes = || snapshot.nodes().iter().map(AsRef::as_ref);
        let local = nodes().filter(|node| &*node.data_center == OUR_CENTER).map(target).collect();
        let others = nodes().filter(|node| &*node.data_center != OUR_CENTER).map(target);
        let now = self.now_us;
        let failover = &mut self.workers.get_mut(number).failover;
        let remote = others.take(failover.settings().remote_nodes_max).collect();
        failover.set_nodes(local, remote, now);
        // Whoever stood in for a chosen node may be a chosen one by now.
        let reached = self.lanes_reached(number);
        let _targets_follow = self.workers.get_mut(number).failover.on_lanes(reached, now);
        let ended = self.start_keepers(number);
        // Nodes that are not used any more are left in peace; those that are gone are not.
        let worker = self.workers.get(number);
        let left = |key: &KeeperKey| worker.failover.is_local(Self::node_id(key.node));
        let (left, gone): (Vec<KeeperKey>, Vec<KeeperKey>) = ended.into_iter().partition(left);
        self.close_lanes_of(&gone);
        self.retire_nodes(number, &left);
        self.tell_of_remote(number);
    }

    /// Lanes of nodes that stood in for others finish what they owe.
    fn retire_nodes(&mut self, number: usize, refillers: &[KeeperKey]) {
        for key in refillers {
            self.input(number, |engine| engine.retire_node(Self::node_id(key.node)));
        }
        let used = self.workers.get(number).nodes();
        let engine = &self.workers.get(number).engine;
        for link in self.links.values_mut() {
            let End::Lane(lane) = &mut link.end else { continue };
            let Some(key) = lane.key.filter(|_| lane.worker == number) else { continue };
            if !used.contains(&lane.node) && lane.sealed.is_none() {
                lane.sealed = Some(engine.lane_output(key).map_or(0, <[u8]>::len));
            }
        }
    }

    fn tell_of_remote(&mut self, number: usize) {
        let failover = &self.workers.get(number).failover;
        let (nodes, local) = (failover.remote_nodes(), failover.settings().local_consistency);
        self.input(number, |engine| engine.on_remote_nodes(nodes, local));
    }

    /// Others are dialled once no local lane was up for a while.
    pub(crate) fn failover_step(&mut self, number: usize) {
        if self.workers.get(number).lane_links.is_empty() {
            self.fail_back(number);
        }
        let now = self.now_us;
        if self.workers.get_mut(number).failover.on_time(now) {
            let far = self.workers.get(number).failover.is_active();
            self.tell(format_args!("worker {number} uses more nodes, far ones: {far}"));
            self.counted.failed_over += u64::from(far);
            self.counted.widened += u64::from(!far);
            self.tell_of_remote(number);
            self.start_keepers(number);
        }
    }

    /// They are left as soon as one is up again; their lanes finish what they owe.
    pub(crate) fn fail_back(&mut self, number: usize) {
        let (now, reached) = (self.now_us, self.lanes_reached(number));
        if !self.workers.get_mut(number).failover.on_lanes(reached, now) {
            return;
        }
        self.tell(format_args!("worker {number} leaves the nodes that stood in for others"));
        self.tell_of_remote(number);
        let ended = self.start_keepers(number);
        self.retire_nodes(number, &ended);
    }

    fn lanes_reached(&self, number: usize) -> Reached {
        let idle = self.workers.get(number).pools.is_empty();
        let local = idle || self.local_home_lanes(number) > 0;
        let chosen = idle || self.chosen_home_lanes(number) > 0;
        Reached { chosen, local }
    }

    /// Lanes to nodes of our own data center that say no `USE`.
    pub(crate) fn local_home_lanes(&self, number: usize) -> usize {
        self.home_lanes(number, Failover::is_local)
    }

    /// The same to nodes that were chosen.
    pub(crate) fn chosen_home_lanes(&self, number: usize) -> usize {
        self.home_lanes(number, Failover::is_chosen)
    }

    fn home_lanes(&self, number: usize, is_meant: impl Fn(&Failover, NodeId) -> bool) -> usize {
        let failover = &self.workers.get(number).failover;
        let lanes = self.links.values().filter(|link| match &link.end {
            End::Lane(lane) => {
                lane.key.is_some()
                    && lane.worker == number
                    && lane.keyspace.is_none()
                    && is_meant(failover, Self::node_id(lane.node))
            }
            End::Client(_) => false,
        });
        lanes.count()
    }
}

fn target(node: &Node) -> NodeTarget {
    let address = std::net::SocketAddr::new(node.address, node.port);
    let (host, shard_port) = (Some(node.host), ShardPort::AsTold);
    NodeTarget { node: node.id, host, address, shard_port }
}
