//! Silent lanes: asked for any answer, and replaced when none comes.
//!
//! A firewall that forgot a connection, or a machine that lost its power, says nothing: only a
//! question finds out. A request that waits for an answer need not wait for its own deadline then.

use crate::engine::core::core::Core;
use crate::engine::pending::{InternalRequest, LaneKey};
use crate::upstream::lane::{Backlog, LaneLife};
use cql::opcode::Opcode;

/// A lane with requests in flight is asked after this part of the time that an idle one may be
/// silent.
const AWAITED_PART: u64 = 10;
/// If idle lanes are never asked, one with requests in flight is asked after this, µs: a request has
/// no other end when its node is gone.
const AWAITED_US: u64 = 3_000_000;

/// Asks a lane that was silent for long, or closes it when it has not answered in time. Any byte
/// that comes is an answer; only a lane without traffic is ever asked.
pub(crate) fn check(core: &mut Core, key: LaneKey) {
    let (limits, now) = (core.settings.limits, core.now_us);
    let Some(lane) = core.lanes.get_mut(key) else { return };
    if let Some(asked_us) = lane.asked_us.filter(|asked_us| lane.heard_us < *asked_us) {
        // A full lane that has not stalled moves: the question may be far behind on a slow network.
        let moves = lane.backlog == Backlog::Full;
        let late = now.saturating_sub(asked_us) >= limits.heartbeat_timeout_us;
        if late && !moves && lane.life != LaneLife::Broken {
            core.tally.heartbeat_timeouts += 1;
            core.break_lane(key);
        }
        return;
    }
    let silence_us = match (limits.heartbeat_us, lane.is_awaited()) {
        (0, false) => return,
        (0, true) => AWAITED_US,
        (us, false) => us,
        (us, true) => us / AWAITED_PART,
    };
    if now.saturating_sub(lane.heard_us) < silence_us {
        return;
    }
    lane.asked_us = Some(now);
    core.send_internal(key, InternalRequest::Heartbeat, Opcode::Options, |_| {});
}
