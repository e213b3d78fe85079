//! What pools must keep to, seen from the nodes: few handshakes at once, ports that lie are left alone,
//! one node is asked for a keyspace that may not exist, and no connection is held for nothing.

use crate::faults::fault_kind::FaultKind;
use crate::network::link::End;
use crate::proxy::dialing::DialKey;
use crate::proxy::greeting::Greeted;
use crate::proxy::lanes::WorkerRefiller;
use crate::world::World;
use shardlane::pool::connection::Hello;
use shardlane::pool::nodes::failover::Failover;
use shardlane::pool::refill::lane_slots::Dial;
use shardlane::topology::id::NodeId;

/// Handshakes with one node at once, of lanes and of logins each.
const HANDSHAKES_MAX: usize = 2;
/// How long a shard-aware port that lied is left alone.
pub(crate) const PORT_BLOCK_US: u64 = 300_000_000;
/// A lane that is gone is dialled again within this.
const REDIAL_US: u64 = 200_000;
/// So many losses within so long may use up the budget of dials that do not wait.
const LOSSES_MAX: usize = 16;
const LOSSES_US: u64 = 4_000_000;
/// Failures that are older make no wait any more.
const FORGIVEN_US: u64 = 100_000_000;
/// A keyspace is asked of one node alone for so long, unless that answers.
const DOUBT_US: u64 = 200_000;

/// A keyspace that no node has taken yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    since_us: u64,
    node: usize,
    /// Whether the node took it, or could not say.
    is_over: bool,
}

impl World {
    /// A handshake begins.
    pub(crate) fn check_turns(&mut self, node: usize, login: bool) {
        let dials = self.dials.values();
        let running = dials.filter(|dial| dial.shakes_hands_with(node, login)).count();
        self.counted.dials_waited +=
            u64::from(self.dials.values().any(|dial| dial.waits_for(node, login)));
        if running > HANDSHAKES_MAX {
            self.blame(format_args!("{running} handshakes run at once with node {node}"));
        }
    }

    /// A connection is ready: did it come to the shard that its source port names?
    pub(crate) fn note_port(&mut self, node: usize, dial: Dial, greeted: &Greeted) {
        let Dial::Shard { shard, sharder, .. } = dial else { return };
        if shard.0 != greeted.shard && greeted.sharder == Some(sharder) {
            self.ports_lied_us.insert(node, self.now_us);
        }
    }

    /// A shard is to be dialled.
    pub(crate) fn check_port_may_be_dialled(&mut self, key: WorkerRefiller, dial: Dial) {
        let lied_us = self.ports_lied_us.get(&key.node).copied();
        let is_blocked = lied_us.is_some_and(|at| self.now_us < at + PORT_BLOCK_US);
        if is_blocked && dial != Dial::Any {
            self.blame(format_args!("{key:?} dials {dial:?}, and that port has led astray"));
        }
    }

    /// A lane of a keyspace is to be dialled.
    pub(crate) fn check_probe(&mut self, key: WorkerRefiller) {
        let now = self.now_us;
        let begun = Probe { since_us: now, node: key.node, is_over: false };
        let probe = *self.probes.entry((key.worker, key.pool)).or_insert(begun);
        let is_alone = !probe.is_over && now < probe.since_us + DOUBT_US;
        // The pictures of a worker may change meanwhile.
        let known = self.refiller(WorkerRefiller { node: probe.node, ..key }).is_some();
        if is_alone && known && probe.node != key.node {
            self.blame(format_args!(
                "{key:?} is dialled, and node {} has not said whether there is such a keyspace",
                probe.node
            ));
        }
    }

    /// A node has taken a keyspace, or could not be asked.
    pub(crate) fn note_probe(&mut self, of: (usize, u16), is_over: bool) {
        if let Some(probe) = self.probes.get_mut(&of) {
            probe.is_over |= is_over;
        }
    }

    /// Every pool has a refiller that opens its lanes, to each node that gets some.
    pub(crate) fn pools_cover_nodes(&self) -> bool {
        self.workers.all().all(|worker| {
            let nodes = worker.nodes().len();
            worker.pools.open_pools().all(|pool| {
                worker.pools.refillers().filter(|(key, _)| key.pool == pool.0).count() == nodes
            })
        })
    }

    /// Connections that are no lanes are held for pools that want them.
    pub(crate) fn check_dials(&mut self) {
        let left = |(key, dial): (&DialKey, &crate::proxy::dialing::SimDial)| {
            let Hello::Lane { pool, .. } = &dial.order.hello else { return None };
            let refiller = WorkerRefiller { worker: key.0, pool: pool.0, node: dial.node };
            (dial.is_open() && self.refiller(refiller).is_none()).then_some((*key, refiller))
        };
        if let Some((key, refiller)) = self.dials.iter().find_map(left) {
            self.blame(format_args!("connection {key:?} is held for {refiller:?}, which is gone"));
        }
    }

    /// A lane is gone: it has to be dialled again soon, unless so many were lost of late that the
    /// budget for that may be spent.
    pub(crate) fn note_lost(&mut self, key: WorkerRefiller) {
        let now = self.now_us;
        let losses = self.losses_us.entry(key).or_default();
        losses.retain(|at| now < at + LOSSES_US);
        losses.push(now);
        if losses.len() < LOSSES_MAX {
            self.lost_us.insert(key, now);
        } else {
            self.lost_us.remove(&key);
        }
    }

    /// A lane that opened well and is gone is dialled again at once, unless dialling its node failed
    /// of late.
    pub(crate) fn check_redials(&mut self) {
        let now = self.now_us;
        // A node that breaks the protocol all the time spends the budget.
        let spends = [FaultKind::Reshard, FaultKind::HostileNode];
        if spends.iter().any(|kind| self.scenario.has(*kind)) || !self.ports_lied_us.is_empty() {
            return;
        }
        let lost = std::mem::take(&mut self.lost_us);
        for (key, at) in &lost {
            let failed_us = self.failed_us.get(&key.node).copied();
            let failed = failed_us.is_some_and(|at| now < at + FORGIVEN_US);
            let wants = self.refiller(*key).is_some_and(|it| !it.schedule().slots().is_complete());
            let dials = self.dials.values().any(|dial| dial.node == key.node);
            if wants && !dials && !failed && now > at + REDIAL_US {
                self.blame(format_args!("a lane of {key:?} is gone, and nothing is dialled"));
            }
        }
        self.lost_us = lost;
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
        let failover = self.workers.get(number).pools.failover();
        let lanes = self.links.values().filter(|link| match &link.end {
            End::Lane(lane) => {
                lane.key.is_some()
                    && lane.worker == number
                    && (lane.keyspace.is_none() || lane.dedicated)
                    && is_meant(failover, Self::node_id(lane.node))
            }
            End::Client(_) => false,
        });
        lanes.count()
    }
}
