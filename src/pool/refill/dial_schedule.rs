//! When the lanes of one node and pool are dialled: arithmetic of time and counts.
//!
//! The refiller does what this says. So does the test of many proxies at one cluster, which runs
//! thousands of schedules under a clock of its own.

use crate::pool::refill::backoff::{Backoff, BackoffSettings};
use crate::pool::refill::lane_slots::{Dial, LaneSerial, LaneSlots, NewConnection, WantedLanes};
use cql::token::shard::{ShardId, Sharder};

/// Handshakes that may run at once with one node.
pub const HANDSHAKES_PER_NODE: usize = 2;
/// Connections of shards that have their lane, held for each shard of the node while others are
/// looked for on the plain port: the server gives the next connection to the shard with fewest,
/// so to close one at once would bring the same shard again.
pub(crate) const EXCESS_PER_SHARD: usize = 3;
/// How long a refiller rests after a search on the plain port that did not find every shard.
const HUNT_REST_MS: u64 = 60_000;
/// Shortest wait after a node answered with an ERROR: a wrong password or a missing keyspace will
/// not be right a moment later, and each login costs the node a hash.
const REFUSED_REST_MS: u64 = 1_000;
/// No node is restarted with other shards so soon again: nodes of several kinds share the address,
/// and dialling goes on slowly.
const RESHARD_GAP_MS: u64 = 10_000;
/// A node that is said to be up is dialled within this time, not by all proxies at once.
const NODE_UP_SPREAD_MS: u64 = 500;
/// Lanes that opened well and are gone are dialled again at once: so many of them, and then one each
/// time that so many milliseconds have passed. What goes beyond that waits as after a failure.
const REDIALS_MAX: u64 = 16;
const REDIAL_EARNED_MS: u64 = 250;
/// How soon a refiller that rests looks again, at the earliest.
const REST_LEAST_MS: u64 = 1_000;

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Start a try; its end is an input.
    Dial(Dial),
    /// Ask again in so many milliseconds.
    Wait(u64),
    /// Nothing to do until the next `on_*` input.
    Rest,
}

/// How a try failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The node answered with an ERROR.
    Refused,
    /// The node took the login, and refused the keyspace.
    RefusedUse,
    /// No source port was free; the node was not asked.
    NoSourcePort,
    /// Anything else: no answer, a closed port, bytes that are no CQL.
    Broken,
}

/// What a new connection came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The node divides its data otherwise now; lanes of before are forgotten.
    pub is_resharded: bool,
    /// The plain port works and the shard-aware one did not.
    pub is_port_at_fault: bool,
    /// What the connection is good for.
    pub connection: NewConnection,
    /// Whether connections kept in excess, this one too, may go.
    pub releases_excess: bool,
}

/// The schedule of one refiller.
#[derive(Debug)]
pub struct DialSchedule {
    slots: LaneSlots,
    backoff: Backoff,
    running: usize,
    excess: usize,
    /// The shard-aware port failed; the plain port shows whether that is the port's fault.
    is_suspect: bool,
    /// The plain port worked after the shard-aware one had failed. That may be the port's fault, or the
    /// node came back in between: the shard-aware port gets one more try.
    was_suspect: bool,
    is_failing: bool,
    not_before_ms: u64,
    hunt_after_ms: u64,
    resharded_ms: Option<u64>,
    /// When all lost lanes were paid for, as if each had cost [`REDIAL_EARNED_MS`].
    redials_paid_ms: u64,
}

impl DialSchedule {
    /// Without lanes. The waits are drawn from `seed`.
    #[must_use]
    pub fn new(lanes: WantedLanes, settings: BackoffSettings, seed: u64) -> Self {
        let mut backoff = Backoff::new(settings, seed);
        Self {
            slots: LaneSlots::new(lanes, backoff.jitter().word()),
            backoff,
            running: 0,
            excess: 0,
            is_suspect: false,
            was_suspect: false,
            is_failing: false,
            not_before_ms: 0,
            hunt_after_ms: 0,
            resharded_ms: None,
            redials_paid_ms: 0,
        }
    }

    /// Draws the next waits by these settings.
    pub(crate) fn set_backoff(&mut self, settings: BackoffSettings) {
        self.backoff.set_settings(settings);
    }

    /// Picks what to do at `now`, milliseconds. `port` is the shard-aware port, if it is known and
    /// may be used.
    pub fn next(&mut self, port: Option<u16>, now: u64) -> Next {
        // A node that just failed gets one careful try at a time.
        let limit = if self.is_failing { 1 } else { HANDSHAKES_PER_NODE };
        if self.running >= limit {
            return Next::Rest;
        }
        if now < self.not_before_ms {
            return Next::Wait(self.not_before_ms - now);
        }
        let port = port.filter(|_| !self.is_suspect);
        let start = self.backoff.jitter().word();
        if let Some(dial) = self.slots.next(port, now >= self.hunt_after_ms, start) {
            self.running += 1;
            return Next::Dial(dial);
        }
        if self.slots.is_complete() || self.running > 0 {
            return Next::Rest;
        }
        Next::Wait(self.hunt_after_ms.saturating_sub(now).max(REST_LEAST_MS))
    }

    /// Records that a try brought a connection to `shard` of a node that divides its data by
    /// `sharder`.
    pub fn on_opened(
        &mut self,
        dial: Dial,
        shard: ShardId,
        sharder: Option<Sharder>,
        now: u64,
    ) -> Opened {
        self.running = self.running.saturating_sub(1);
        self.is_failing = false;
        let is_suspected = dial == Dial::Any && self.is_suspect;
        let is_port_at_fault = is_suspected && self.was_suspect;
        if is_suspected {
            self.is_suspect = false;
            self.was_suspect = !is_port_at_fault;
        } else if dial != Dial::Any {
            self.was_suspect = false;
        }
        let is_resharded = self.slots.on_sharder(sharder);
        if is_resharded {
            self.excess = 0;
            if self.resharded_ms.is_some_and(|at| now - at < RESHARD_GAP_MS) {
                self.wait_after_failure(now);
            }
            self.resharded_ms = Some(now);
        }
        let connection = self.slots.on_opened(dial, shard);
        if connection == NewConnection::Excess {
            self.excess += 1;
        }
        let is_full = self.excess >= EXCESS_PER_SHARD * self.slots.wanted();
        if is_full {
            let spread = self.backoff.jitter().below(HUNT_REST_MS / 2);
            self.hunt_after_ms = now + HUNT_REST_MS + spread;
        }
        let releases_excess = is_full || self.slots.is_complete();
        if releases_excess {
            self.excess = 0;
        }
        Opened { is_resharded, is_port_at_fault, connection, releases_excess }
    }

    /// Records that a try failed. Returns in how many milliseconds the next one starts, at the
    /// earliest.
    pub fn on_failed(&mut self, dial: Dial, failure: Failure, now: u64) -> u64 {
        self.running = self.running.saturating_sub(1);
        self.slots.on_failed(dial);
        match (dial, failure) {
            // The port was blocked when this was found; the plain port comes next, at once.
            (Dial::Shard { .. }, Failure::NoSourcePort) => {}
            (_, Failure::RefusedUse) => {
                // Clients may be in the keyspace, and it may be there again a moment later.
                self.is_suspect = false;
                let rest_ms = REFUSED_REST_MS + self.backoff.jitter().below(REFUSED_REST_MS);
                self.not_before_ms = self.not_before_ms.max(now + rest_ms);
            }
            (Dial::Shard { .. }, Failure::Refused | Failure::Broken) => {
                self.is_suspect = failure == Failure::Broken;
                self.wait_after_failure(now);
            }
            (Dial::Any, _) => {
                self.is_suspect = false;
                self.wait_after_failure(now);
            }
        }
        if failure == Failure::Refused {
            self.not_before_ms = self.not_before_ms.max(now + REFUSED_REST_MS);
        }
        self.not_before_ms.saturating_sub(now)
    }

    /// Records that a lane is gone. Waits are for handshakes that fail; a node that has opened a lane
    /// is dialled again at once, within a budget.
    pub fn on_lane_down(&mut self, serial: LaneSerial, now: u64) {
        if self.slots.on_down(serial) && !self.spends_redial(now) {
            self.wait_after_failure(now);
        }
    }

    fn spends_redial(&mut self, now: u64) -> bool {
        let paid_ms = self.redials_paid_ms.max(now) + REDIAL_EARNED_MS;
        let is_within = paid_ms <= now + REDIALS_MAX * REDIAL_EARNED_MS;
        if is_within {
            self.redials_paid_ms = paid_ms;
        }
        is_within
    }

    /// Records that a request asked for a shard.
    pub fn on_asked_for(&mut self, shard: ShardId) {
        self.slots.on_asked_for(shard);
    }

    /// Records that a lane was closed as unused.
    pub fn on_unused(&mut self, serial: LaneSerial) {
        self.slots.on_unused(serial);
    }

    /// Records that the node is said to be up: no long wait any more.
    pub fn on_node_up(&mut self, now: u64) {
        let soon = now + self.backoff.jitter().below(NODE_UP_SPREAD_MS);
        self.not_before_ms = self.not_before_ms.min(soon);
    }

    /// Tries that failed in a row, for time-outs that grow with them.
    #[must_use]
    pub fn failures(&self) -> u32 {
        if self.is_failing { self.backoff.failures() } else { 0 }
    }

    /// Which lanes are there.
    #[must_use]
    pub fn slots(&self) -> &LaneSlots {
        &self.slots
    }

    /// Lanes of a node fall together; all that fall before the next try are one failure.
    fn wait_after_failure(&mut self, now: u64) {
        if now >= self.not_before_ms {
            self.not_before_ms = now + self.backoff.on_failure(now);
        }
        self.is_failing = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schedule whose one lane is up.
    fn with_lane() -> (DialSchedule, Dial) {
        let mut schedule = DialSchedule::new(WantedLanes::One, BackoffSettings::default(), 1);
        let Next::Dial(dial) = schedule.next(None, 0) else { panic!("nothing is dialled") };
        let opened = schedule.on_opened(dial, ShardId(0), None, 0);
        assert!(matches!(opened.connection, NewConnection::Lane(_)));
        (schedule, dial)
    }

    #[test]
    fn a_port_is_at_fault_only_if_it_fails_twice_while_the_plain_one_works() {
        let sharder = Sharder::new(2, 12).ok();
        let mut schedule = DialSchedule::new(WantedLanes::EachShard, BackoffSettings::default(), 1);
        assert!(matches!(schedule.next(None, 0), Next::Dial(Dial::Any)));
        schedule.on_opened(Dial::Any, ShardId(0), sharder, 0);
        let mut now = 0;
        let mut fault = |schedule: &mut DialSchedule| {
            now += 100_000;
            let Next::Dial(dial) = schedule.next(Some(19_042), now) else { panic!("no dial") };
            assert!(matches!(dial, Dial::Shard { .. }), "{dial:?}");
            schedule.on_failed(dial, Failure::Broken, now);
            now += 100_000;
            assert_eq!(schedule.next(Some(19_042), now), Next::Dial(Dial::Any));
            schedule.on_opened(Dial::Any, ShardId(0), sharder, now).is_port_at_fault
        };
        assert!(!fault(&mut schedule), "the node may have come back in between");
        assert!(fault(&mut schedule));
    }

    #[test]
    fn a_lane_that_opened_well_is_dialled_again_at_once_within_a_budget() {
        let (mut schedule, dial) = with_lane();
        for serial in 0..REDIALS_MAX {
            schedule.on_lane_down(LaneSerial(serial), 1_000);
            assert_eq!(schedule.next(None, 1_000), Next::Dial(dial), "death {serial}");
            schedule.on_opened(dial, ShardId(0), None, 1_000);
        }
        schedule.on_lane_down(LaneSerial(REDIALS_MAX), 1_000);
        assert!(matches!(schedule.next(None, 1_000), Next::Wait(_)), "the budget is spent");
        let (mut schedule, dial) = with_lane();
        for serial in 0..4 * REDIALS_MAX {
            let now = serial * REDIAL_EARNED_MS;
            schedule.on_lane_down(LaneSerial(serial), now);
            assert_eq!(schedule.next(None, now), Next::Dial(dial), "each is earned in time");
            schedule.on_opened(dial, ShardId(0), None, now);
        }
    }

    #[test]
    fn a_keyspace_that_is_refused_is_asked_for_again_within_two_seconds_for_ever() {
        let (mut schedule, dial) = with_lane();
        schedule.on_lane_down(LaneSerial(0), 0);
        let mut now = 0;
        for _ in 0..50 {
            assert_eq!(schedule.next(None, now), Next::Dial(dial));
            let rest_ms = schedule.on_failed(dial, Failure::RefusedUse, now);
            assert!((REFUSED_REST_MS..2 * REFUSED_REST_MS).contains(&rest_ms), "{rest_ms}");
            now += rest_ms;
        }
    }
}
