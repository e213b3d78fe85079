//! Lanes on demand: opened when requests ask for a shard, closed when none did for long.
//!
//! Nobody waits for such a lane: requests that ask for it go to another shard of the node, which
//! hands them on. The second one within the time after which a lane is closed opens it: a handshake
//! costs the node more than a hop.

use crate::engine::action::Action;
use crate::engine::engine::Engine;
use crate::engine::pending::LaneKey;
use crate::upstream::lane::PoolId;

/// Lanes closed in one sweep; the others follow.
const CLOSED_IN_A_SWEEP: usize = 64;
/// A lane that was asked for is asked for again after this: its node may have been away.
const ASK_AGAIN_US: u64 = 5_000_000;

impl Engine {
    /// Whether lanes are opened on demand.
    #[inline]
    pub(in crate::engine) fn opens_on_demand(&self) -> bool {
        self.settings.limits.lane_unused_us > 0
    }

    /// Asks for the lane that the last decision among the plain lanes of `home` missed.
    pub(in crate::engine) fn ask_for_missing(&mut self, home: PoolId) {
        let Some((node, shard)) = self.missing.take() else { return };
        let (now, times) = (self.now_us, (self.settings.limits.lane_unused_us, ASK_AGAIN_US));
        let Some(pool) = self.pools.get_mut(home).filter(|pool| !pool.gone) else { return };
        if pool.lane_map.ask_for((node, shard), now, times) {
            self.actions.push_back(Action::OpenLane { pool: home, node, shard });
        }
    }

    /// Closes lanes that no request used for long, but never the last one to a node.
    pub(in crate::engine) fn close_unused(&mut self) {
        if !self.opens_on_demand() {
            return;
        }
        let mut closed = 0;
        for key in self.lanes.keys() {
            if closed < CLOSED_IN_A_SWEEP && self.is_unused(key) {
                if let Some(lane) = self.lanes.get_mut(key) {
                    lane.draining = true;
                }
                self.actions.push_back(Action::CloseUnused(key));
                closed += 1;
            }
        }
    }

    fn is_unused(&self, key: LaneKey) -> bool {
        let Some(lane) = self.lanes.get(key) else { return false };
        let (node, pool) = (lane.route.node, lane.route.pool);
        let since_us = self.now_us.saturating_sub(lane.used_us);
        let takes_requests =
            |key: &LaneKey| self.lanes.get(*key).is_some_and(|lane| !lane.draining);
        since_us >= self.settings.limits.lane_unused_us
            && !lane.draining
            && lane.ids.in_flight() == 0
            && lane.outbox.waiting_len() == 0
            && pool == lane.home
            && !self.pools.is_dedicated(pool)
            && self.pools.lane_map(pool).lanes_of(node).filter(takes_requests).nth(1).is_some()
    }
}
