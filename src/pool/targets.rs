//! Which nodes the pools of a worker follow: those that were chosen, and those that stand in for them.

use crate::engine::engine::Engine;
use crate::pool::action::{PoolAction, PoolNotice};
use crate::pool::nodes::failover::Reachable;
use crate::pool::nodes::node_target::NodeTarget;
use crate::pool::pool_manager::{LaneOwner, PoolManager};
use crate::pool::refill::refiller::{PoolRefiller, RefillerKey};
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;

impl PoolManager {
    /// Takes the nodes of the local data center that want lanes, the preferred ones first, and
    /// those to be used in their stead.
    pub fn on_nodes(
        &mut self,
        engine: &mut Engine,
        local: Vec<NodeTarget>,
        remote: Vec<NodeTarget>,
    ) {
        self.failover.set_nodes(local, remote, self.now_us);
        // A node that stood in for a chosen one may be a chosen one by now.
        let _targets_follow = self.failover.on_lanes(self.reached(engine), self.now_us);
        let ended = self.follow_targets();
        for key in ended {
            // Its lanes still work, but for those to an address that it has no longer.
            let is_wanted = self.targets.iter().any(|target| target.node == key.node);
            if self.failover.is_local(key.node) && !is_wanted {
                engine.retire_node(key.node);
            } else {
                self.close_lanes_of(engine, |of| *of == key);
            }
        }
        self.set_remote_nodes(engine);
    }

    /// A node is said to be up: no long wait any more.
    pub fn on_node_up(&mut self, node: NodeId) {
        let now_ms = self.now_ms();
        let keys = self.refillers.keys().copied().filter(|key| key.node == node);
        for key in keys.collect::<Vec<_>>() {
            if let Some(refiller) = self.refillers.get_mut(&key) {
                refiller.on_node_up(now_ms);
            }
            self.pump(key);
        }
    }

    /// Starts the refillers that are missing for the nodes that get lanes now, and ends the others.
    /// Returns those that ended: their lanes are still open, and the caller decides about them.
    pub(super) fn follow_targets(&mut self) -> Vec<RefillerKey> {
        self.targets = self.failover.targets();
        self.logins.nodes.set_nodes(&self.targets, self.failover.local());
        let stays = |refiller: &PoolRefiller| self.targets.contains(refiller.target());
        let ended = self.refillers.iter().filter(|(_, refiller)| !stays(refiller));
        let ended: Vec<RefillerKey> = ended.map(|(key, _)| *key).collect();
        for key in &ended {
            self.end_refiller(*key);
        }
        for pool in self.pools.keys().copied().collect::<Vec<_>>() {
            self.start(PoolId(pool), None);
        }
        ended
    }

    pub(super) fn set_remote_nodes(&self, engine: &mut Engine) {
        let settings = self.failover.settings();
        engine.on_remote_nodes(self.failover.remote_nodes(), settings.local_consistency);
    }

    /// Uses other nodes when no lane to a chosen one, or to a local one, was up for a while.
    pub(super) fn failover_step(&mut self, engine: &mut Engine) {
        if self.lanes.is_empty() || self.pools.is_empty() {
            // Whether lanes are wanted may change without one that comes or goes, and the connection
            // of a single client is none of them.
            self.fail_back(engine);
        }
        if !self.failover.on_time(self.now_us) {
            return;
        }
        self.orders.push(PoolAction::Log(if self.failover.is_active() {
            PoolNotice::RemoteUsed(self.failover.remote_nodes().len())
        } else {
            PoolNotice::AllLocalUsed
        }));
        self.set_remote_nodes(engine);
        self.follow_targets();
    }

    /// Leaves the stand-ins as soon as a preferred node is up again. Their lanes finish what is in flight.
    pub(super) fn fail_back(&mut self, engine: &mut Engine) {
        if !self.failover.on_lanes(self.reached(engine), self.now_us) {
            return;
        }
        self.orders.push(PoolAction::Log(PoolNotice::StandInsLeft));
        self.set_remote_nodes(engine);
        for key in self.follow_targets() {
            engine.retire_node(key.node);
        }
    }

    /// Where the lanes of base pools lead to now.
    pub(super) fn reached(&self, engine: &Engine) -> Reachable {
        let mut reached = Reachable { chosen: false, local: false };
        if self.pools.is_empty() {
            // Without a client that has logged in no lanes are wanted, and only logins show which nodes
            // can be reached.
            reached.local = !self.logins.nodes.are_silent(self.failover.local());
            reached.chosen = !self.logins.nodes.are_silent(self.failover.chosen());
        }
        for (_, LaneOwner { key, .. }) in self.lanes.all() {
            if engine.base_of(PoolId(key.pool)) == PoolId(key.pool) {
                reached.local |= self.failover.is_local(key.node);
                reached.chosen |= self.failover.is_chosen(key.node);
                // The chosen ones are local, and nearly always the first to be found.
                if reached.chosen {
                    break;
                }
            }
        }
        reached
    }
}
