//! The life of a lane and of a pool: up, retired, closed, down; and lanes on demand.
//!
//! Where lanes are opened on demand, as those of keyspaces are, no request waits for one: it goes to another shard of the
//! node, which hands it on. The second request for a shard within the time after which a lane is
//! closed opens its lane: a handshake costs the node more than a hop.

use std::sync::Arc;

use crate::engine::action::Action;
use crate::engine::core::core::Core;
use crate::engine::core::pools::WaitingUse;
use crate::engine::core::todo::Todo;
use crate::engine::pending::{LaneKey, Pending, Purpose};
use crate::engine::view::tally::{Outcome, RequestKind};
use crate::topology::id::NodeId;
use crate::topology::tablet::Replica;
use crate::upstream::lane::{Lane, LaneLife, LaneRoute, PoolId};
use crate::upstream::lane_map::AskTimes;
use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::token::shard::Sharder;

/// Lanes closed in one sweep; the others follow.
const CLOSED_IN_A_SWEEP: usize = 64;
/// A missing lane is asked for again after this, µs: its node may have been away.
const ASK_AGAIN_US: u64 = 5_000_000;

/// A lane that is up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneUp {
    pub(crate) lane: LaneKey,
    /// Whether no lane of this keyspace led to the node before, with any credential.
    pub(crate) is_first: bool,
}

/// A lane that is gone.
#[derive(Debug)]
pub(crate) struct LaneDown {
    pub(crate) lane: Lane<Pending>,
    /// Whether it was in use, and was not replaced by another.
    pub(crate) was_used: bool,
}

impl Core {
    /// Uses an open lane from now on; `None` when its pool is closed.
    pub(crate) fn add_lane(
        &mut self,
        route: LaneRoute,
        sharder: Option<Sharder>,
    ) -> Option<LaneUp> {
        let mut lane = Lane::new(route, self.settings.limits.lane_streams_max);
        lane.heard_us = self.now_us;
        lane.used_us = self.now_us;
        let is_first = !self.pools.reaches(route.node, self.pools.keyspace(route.pool).as_deref());
        let pool = self.pools.open_mut(route.pool)?;
        lane.base = pool.base;
        self.is_cassandra = route.is_cassandra;
        pool.refusal = None;
        let key = self.lanes.insert(lane);
        if let Some(before) = pool.lane_map.insert(route.place(), sharder, key) {
            self.retire_lane(before);
        }
        Some(LaneUp { lane: key, is_first })
    }

    /// Forgets a lane whose connection is gone.
    pub(crate) fn remove_lane(&mut self, key: LaneKey) -> Option<LaneDown> {
        let lane = self.lanes.remove(key)?;
        let was_used = self.pools.remove_lane(lane.route, key);
        Some(LaneDown { lane, was_used })
    }

    /// Lets a lane finish what is in flight; it takes nothing new.
    pub(crate) fn retire_lane(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.life == LaneLife::Open {
            lane.life = LaneLife::Draining;
        }
        if !lane.is_awaited() {
            self.actions.push_back(Action::CloseLane(key));
        }
    }

    /// Retires the lanes to all nodes for which `is_over` returns true.
    pub(crate) fn retire_lanes_to(&mut self, is_over: impl Fn(NodeId) -> bool) {
        for key in self.lanes.keys() {
            if self.lanes.get(key).is_some_and(|lane| is_over(lane.route.node)) {
                self.retire_lane(key);
            }
        }
    }

    /// Closes a lane at once: nothing that still comes on it is read.
    pub(crate) fn break_lane(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.life = LaneLife::Broken;
            self.actions.push_back(Action::CloseLane(key));
        }
    }

    /// Asks for a lane that the last decision among the lanes of `pool` missed.
    #[inline]
    pub(crate) fn ask_for(&mut self, pool: PoolId, missing: Option<Replica>) {
        if let Some(missing) = missing {
            self.ask_for_missing(pool, missing);
        }
    }

    /// For how long a lane of a pool may be unused, µs; 0 is for ever, and none is asked for.
    fn unused_us_max(&self, pool: PoolId) -> u64 {
        let limits = &self.settings.limits;
        match self.pools.base(pool) == pool {
            true => limits.lane_unused_us,
            false => limits.keyspace_lane_unused_us,
        }
    }

    #[cold]
    fn ask_for_missing(&mut self, id: PoolId, missing: Replica) {
        let Replica { node, shard } = missing;
        let (now, window_us) = (self.now_us, self.unused_us_max(id));
        let times = AskTimes { window_us, again_us: ASK_AGAIN_US };
        let Some(pool) = self.pools.open_mut(id) else { return };
        if pool.lane_map.ask_for(missing, now, times) {
            self.actions.push_back(Action::OpenLane { pool: id, node, shard });
        }
    }

    /// Closes lanes that no request used for long, but never the last one to a node.
    pub(crate) fn close_unused(&mut self) {
        let limits = &self.settings.limits;
        let has_keyspaces = self.pools.ids().nth(1).is_some();
        if limits.lane_unused_us == 0 && !(has_keyspaces && limits.keyspace_lane_unused_us > 0) {
            return;
        }
        let mut closed = 0;
        for key in self.lanes.keys() {
            if closed < CLOSED_IN_A_SWEEP && self.is_unused(key) {
                if let Some(lane) = self.lanes.get_mut(key) {
                    lane.life = LaneLife::Draining;
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
            |key: &LaneKey| self.lanes.get(*key).is_some_and(|lane| lane.life == LaneLife::Open);
        let unused_us_max = self.unused_us_max(pool);
        unused_us_max > 0
            && since_us >= unused_us_max
            && lane.life == LaneLife::Open
            && lane.ids.in_flight() == 0
            && lane.outbox.waiting_len() == 0
            && !self.pools.is_dedicated(pool)
            && self.pools.lane_map(pool).lanes_of(node).filter(takes_requests).nth(1).is_some()
    }

    /// Opens the pool of a keyspace, and asks the shell for its lanes.
    pub(crate) fn open_pool(&mut self, base: PoolId, keyspace: &str) -> Option<PoolId> {
        let keyspace: Arc<str> = keyspace.into();
        let pool = self.pools.add_keyspace(base, Arc::clone(&keyspace))?;
        self.actions.push_back(Action::OpenPool { pool, keyspace });
        Some(pool)
    }

    /// Closes the lanes of a pool. Its id may stand for another pool one day, so nothing keeps it:
    /// clients whose keyspace is gone go on without one, and those whose credential is gone are
    /// not served any more.
    pub(crate) fn close_pool(&mut self, id: PoolId) {
        let base = self.pools.base(id);
        let Some(waiting) = self.pools.close(id) else { return };
        let instead = if base == id { PoolId::NOWHERE } else { base };
        self.actions.push_back(Action::ClosePool(id));
        for key in self.clients.keys() {
            let Some(client) = self.clients.get_mut(key) else { continue };
            if client.base == id {
                client.base = instead;
            }
            if client.pool == id {
                client.pool = instead;
            }
        }
        self.todo.push_back(Todo::PoolClosed { pool: id, instead });
        for waiting in waiting {
            self.refuse_waiting(id, &waiting);
        }
    }

    /// A `USE` found no lane.
    pub(crate) fn refuse_waiting(&mut self, pool: PoolId, waiting: &WaitingUse) {
        let to = waiting.from;
        if self.clients.get(to.client).is_none() {
            return self.tally.on_request_ended(Opcode::Query, Outcome::Abandoned);
        }
        let text = "shardlane could not open a connection for this keyspace";
        self.leave(to.client);
        self.refuse(to, RequestKind::Query, ErrorCode::OVERLOADED, text);
        self.end_use(to.client, Purpose::Use(pool));
    }
}
