//! Other data centers, while no node of our own can be reached: the workers' own rules, played out.

use crate::net::failover::{Failover, Reached};
use crate::net::lanes::dialling::dial::{NodeTarget, ShardPort};
use crate::sim::world::network::link::{End, LaneEnd};
use crate::sim::world::scenario::OUR_CENTER;
use crate::sim::world::world::World;
use crate::topology::node::Node;
use crate::topology::snapshot::Snapshot;

impl World {
    /// A worker takes the nodes of a new picture: those that get lanes, and those that stand in.
    pub(in crate::sim::world) fn take_targets(&mut self, number: usize, snapshot: &Snapshot) {
        let nodes = || snapshot.nodes().iter().map(AsRef::as_ref);
        let local = nodes().filter(|node| &*node.data_center == OUR_CENTER).map(target).collect();
        let others = nodes().filter(|node| &*node.data_center != OUR_CENTER).map(target);
        let now = self.now_us;
        let failover = &mut self.crew.get_mut(number).failover;
        let remote = others.take(failover.settings().remote_nodes_max).collect();
        failover.set_nodes(local, remote, now);
        let ended = self.start_keepers(number);
        self.close_lanes_of(&ended);
        self.tell_of_remote(number);
    }

    fn tell_of_remote(&mut self, number: usize) {
        let failover = &self.crew.get(number).failover;
        let (nodes, local) = (failover.remote_nodes(), failover.settings().local_consistency);
        self.input(number, |engine| engine.on_remote_nodes(nodes, local));
    }

    /// Others are dialled once no local lane was up for a while.
    pub(in crate::sim::world) fn failover_step(&mut self, number: usize) {
        if self.crew.get(number).lane_links.is_empty() {
            self.fail_back(number);
        }
        let now = self.now_us;
        if self.crew.get_mut(number).failover.on_time(now) {
            self.tell(format_args!("worker {number} uses other data centers"));
            self.counted.failed_over += 1;
            self.tell_of_remote(number);
            self.start_keepers(number);
        }
    }

    /// They are left as soon as one is up again; their lanes finish what they owe.
    pub(in crate::sim::world) fn fail_back(&mut self, number: usize) {
        let idle = self.crew.get(number).sets.is_empty();
        let there = idle || self.local_home_lanes(number) > 0;
        let (now, reached) = (self.now_us, Reached { chosen: there, local: there });
        if !self.crew.get_mut(number).failover.on_lanes(reached, now) {
            return;
        }
        self.tell(format_args!("worker {number} is back in its data center"));
        self.tell_of_remote(number);
        self.start_keepers(number);
        let worker = self.crew.get(number);
        for link in self.links.values_mut() {
            let End::Lane(lane) = &mut link.end else { continue };
            let Some(key) = lane.key.filter(|_| lane.worker == number) else { continue };
            if !is_local(&worker.failover, lane) && lane.sealed.is_none() {
                lane.sealed = Some(worker.engine.lane_output(key).map_or(0, <[u8]>::len));
            }
        }
    }

    /// Lanes to nodes of our own data center that say no `USE`.
    pub(in crate::sim::world) fn local_home_lanes(&self, number: usize) -> usize {
        let failover = &self.crew.get(number).failover;
        let lanes = self.links.values().filter(|link| match &link.end {
            End::Lane(lane) => {
                lane.key.is_some()
                    && lane.worker == number
                    && lane.keyspace.is_none()
                    && is_local(failover, lane)
            }
            End::Client(_) => false,
        });
        lanes.count()
    }
}

fn is_local(failover: &Failover, lane: &LaneEnd) -> bool {
    failover.is_local(World::node_id(lane.node))
}

fn target(node: &Node) -> NodeTarget {
    let address = std::net::SocketAddr::new(node.address, node.port);
    let (host, shard_port) = (Some(node.host), ShardPort::AsTold);
    NodeTarget { node: node.id, host, address, shard_port }
}
