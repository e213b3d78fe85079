//! Silent lanes: asked for any answer, and replaced when none comes.
//!
//! A firewall that forgot a connection, or a machine that lost its power, says nothing: only a
//! question finds out. A request that waits for an answer need not wait for its own deadline then.

use crate::engine::core::core::Core;
use crate::engine::pending::{InternalRequest, LaneKey};
use cql::opcode::Opcode;

/// A lane with requests in flight is asked after this part of the time that an idle one may be
/// silent.
const AWAITED_PART: u64 = 10;

/// Asks a lane that was silent for long, or closes it when it has not answered in time. Any byte
/// that comes is an answer; only a lane without traffic is ever asked.
pub(crate) fn check(core: &mut Core, key: LaneKey) {
    let (limits, now) = (core.settings.limits, core.now_us);
    if limits.heartbeat_us == 0 {
        return;
    }
    let Some(lane) = core.lanes.get_mut(key) else { return };
    if let Some(asked_us) = lane.asked_us.filter(|asked_us| lane.heard_us < *asked_us) {
        // A full lane that has not stalled moves: the question may be far behind on a slow network.
        let moves = lane.full && !lane.stalled;
        let late = now.saturating_sub(asked_us) >= limits.heartbeat_timeout_us;
        if late && !moves && !lane.broken {
            core.tally.heartbeat_timeouts += 1;
            core.break_lane(key);
        }
        return;
    }
    let part = if lane.is_awaited() { AWAITED_PART } else { 1 };
    if now.saturating_sub(lane.heard_us) < limits.heartbeat_us / part {
        return;
    }
    lane.asked_us = Some(now);
    // A lane that takes no more requests has enough in flight to show whether it is alive.
    core.send_internal(key, InternalRequest::Heartbeat, Opcode::Options, |_| {});
}
