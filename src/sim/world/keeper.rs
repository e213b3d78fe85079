//! Stands in for the lane keepers of `net/lanes`: the same plan and the same waits, without tasks.

use crate::net::lanes::backoff::{Backoff, BackoffSettings};
use crate::net::lanes::lane_plan::{Dial, LanePlan};
use crate::sim::cluster::connections::ConnectionId;

/// Tries of one keeper at a time, while nothing fails.
const TRIES: usize = 2;
/// How long the shard-aware port is left alone after it led to a wrong shard.
const PORT_BLOCK_US: u64 = 300_000_000;
/// Connections of shards that have their lane, held while others are looked for.
const EXCESS_PER_SHARD: usize = 3;
/// Rest after a search that did not find every shard.
const HUNT_REST_US: u64 = 60_000_000;
/// Shortest wait after a node answered with an ERROR.
const REFUSED_REST_US: u64 = 1_000_000;
/// Longest rest of a keeper that waits for nothing in particular.
const LOOK_AGAIN_US: u64 = 1_000_000;

/// What a keeper does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Dial.
    Dial(Dial),
    /// Look again then.
    Wait(u64),
    /// Nothing, until something happens.
    Nothing,
}

/// The lanes of one node and set.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Which lanes are there.
    pub(super) plan: LanePlan,
    backoff: Backoff,
    running: usize,
    failing: bool,
    not_before_us: u64,
    hunt_after_us: u64,
    port_blocked_until_us: u64,
    /// Set while a wake-up is planned.
    pub(super) wakes_us: Option<u64>,
    /// Connections that are one too many, and may be needed to find other shards.
    pub(super) excess: Vec<ConnectionId>,
}

impl Keeper {
    /// A keeper without lanes.
    pub(super) fn new(per_shard: bool, seed: u64) -> Self {
        let start = u32::try_from(seed >> 40).unwrap_or(0);
        Self {
            plan: LanePlan::new(per_shard, start),
            backoff: Backoff::new(BackoffSettings::default(), seed),
            running: 0,
            failing: false,
            not_before_us: 0,
            hunt_after_us: 0,
            port_blocked_until_us: 0,
            wakes_us: None,
            excess: Vec::new(),
        }
    }

    /// What to do now.
    pub(super) fn next(&mut self, now_us: u64) -> Next {
        let limit = if self.failing { 1 } else { TRIES };
        if self.running >= limit {
            return Next::Nothing;
        }
        if now_us < self.not_before_us {
            return Next::Wait(self.not_before_us);
        }
        let aware = self.plan.sharder().is_some() && now_us >= self.port_blocked_until_us;
        match self.plan.next(aware, now_us >= self.hunt_after_us) {
            Some(dial) => {
                self.running += 1;
                Next::Dial(dial)
            }
            None if self.plan.is_complete() || self.running > 0 => Next::Nothing,
            None => Next::Wait(self.hunt_after_us.max(now_us + LOOK_AGAIN_US)),
        }
    }

    /// A try ended.
    pub(super) fn on_ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// A try brought a connection.
    pub(super) fn on_success(&mut self) {
        self.failing = false;
    }

    /// The shard-aware port led astray.
    pub(super) fn block_port(&mut self, now_us: u64) {
        self.port_blocked_until_us = now_us + PORT_BLOCK_US;
    }

    /// A try failed; `refused` when the node itself said so.
    pub(super) fn on_failed(&mut self, dial: Dial, refused: bool, now_us: u64) {
        self.plan.on_failed(dial);
        self.wait_after_failure(now_us);
        if refused {
            self.not_before_us = self.not_before_us.max(now_us + REFUSED_REST_US);
        }
    }

    /// A node is said to be up.
    pub(super) fn on_node_up(&mut self, soon_us: u64) {
        self.not_before_us = self.not_before_us.min(soon_us);
    }

    /// Lanes of a node fall together; all that fall before the next try are one failure.
    pub(super) fn wait_after_failure(&mut self, now_us: u64) {
        if now_us >= self.not_before_us {
            self.not_before_us = now_us + self.backoff.on_failure(now_us / 1000) * 1000;
        }
        self.failing = true;
    }

    /// Gives back the connections that are not needed any more.
    pub(super) fn take_needless(&mut self, now_us: u64) -> Vec<ConnectionId> {
        let is_full = self.excess.len() >= EXCESS_PER_SHARD * self.plan.wanted();
        if is_full {
            self.hunt_after_us = now_us + HUNT_REST_US;
        }
        if is_full || self.plan.is_complete() {
            return std::mem::take(&mut self.excess);
        }
        Vec::new()
    }
}
