//! Lanes that have gone quiet: asked for a sign of life, and replaced when they give none.
//!
//! A firewall that forgot a connection, or a machine that lost its power, says nothing: only a
//! question finds out. Whoever waits for an answer need not wait for its own deadline then.

use crate::engine::action::Action;
use crate::engine::engine::Engine;
use crate::engine::pending::{InternalRequest, LaneKey, Origin};
use cql::frame::write_frame;
use cql::opcode::Opcode;

/// A lane that owes answers is asked after this part of the time that an idle one may be quiet.
const AWAITED_PART: u64 = 10;

impl Engine {
    /// Asks a lane that was silent for long, or closes it when it has not answered in time. Any
    /// byte is a sign of life; only a lane without traffic is ever asked.
    pub(in crate::engine) fn expire_silent(&mut self, key: LaneKey) {
        let (limits, now) = (self.settings.limits, self.now_us);
        if limits.heartbeat_us == 0 {
            return;
        }
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if let Some(asked_us) = lane.asked_us.filter(|asked_us| lane.heard_us < *asked_us) {
            // A full lane that has not stalled moves: the question may be far behind on a slow network.
            let moves = lane.full && !lane.stalled;
            let late = now.saturating_sub(asked_us) >= limits.heartbeat_timeout_us;
            if late && !moves && !lane.broken {
                lane.draining = true;
                lane.broken = true;
                self.tally.lanes_mute += 1;
                self.actions.push_back(Action::CloseLane(key));
            }
            return;
        }
        let part = if lane.is_awaited() { AWAITED_PART } else { 1 };
        if now.saturating_sub(lane.heard_us) < limits.heartbeat_us / part {
            return;
        }
        lane.asked_us = Some(now);
        let mut frame = Vec::new();
        write_frame(&mut frame, (4, 0, 0), Opcode::Options, |_| {});
        let outgoing =
            self.outgoing(Origin::InternalRequest(InternalRequest::Heartbeat), Opcode::Options);
        // A lane that takes no more requests has enough in flight to show whether it is alive.
        self.send(key, outgoing, &frame);
    }
}
