//! Requests onto lanes.

use std::mem;

use crate::engine::core::core::Core;
use crate::engine::core::lane_frame::{self, Carried, LANE_VERSION};
use crate::engine::core::todo::Todo;
use crate::engine::pending::{InternalRequest, LaneKey, Loss, Origin, Outgoing, Subject};
use crate::upstream::lane::PoolId;
use crate::upstream::stream_ids::StreamId;
use cql::frame::{FrameHead, write_frame};
use cql::notation::put_long_string;
use cql::opcode::Opcode;

/// Longest frame that is kept for sending again, bytes.
const KEPT_BYTES_MAX: usize = 256 << 10;

impl Core {
    /// Puts a request on a lane and returns its stream id there; `None` when the lane takes no more.
    pub(crate) fn send(
        &mut self,
        key: LaneKey,
        outgoing: &Outgoing,
        request: &[u8],
    ) -> Option<StreamId> {
        let limits = &self.settings.limits;
        let lane = self.lanes.get_mut(key)?;
        let of_client = matches!(outgoing.origin, Origin::Client { .. });
        if of_client && lane.base != outgoing.base {
            // A client that has left or was evicted has no base. Otherwise a pool was mistaken.
            debug_assert_eq!(outgoing.base, PoolId::NOWHERE, "a client on {:?}", lane.base);
            return None;
        }
        let keep = request.len() <= KEPT_BYTES_MAX
            && lane.retained_bytes + request.len() <= limits.lane_retained_bytes_max;
        let loss = if keep { None } else { Some(Loss::of(outgoing, request)) };
        let kept = if keep { request } else { &[] };
        let carrying = lane_frame::with_payload(&self.clients, lane.route, outgoing, request);
        let request = carrying.as_deref().unwrap_or(request);
        let metadata_id = lane_frame::held_id(&self.router.catalog, lane.route, outgoing);
        let carried = Carried::new(request, metadata_id, lane.route.compression);
        let request_len = u64::try_from(carried.len()).unwrap_or(u64::MAX);
        let sent_at = lane.outbox.appended_total() + request_len;
        let spare = &mut self.spare;
        let pending = || outgoing.pending(sent_at, loss, spare.keep(kept));
        let id = match outgoing.origin {
            Origin::Internal(InternalRequest::Heartbeat) => lane.ids.claim_one_more(pending),
            Origin::Internal(_) | Origin::Client { .. } => lane.ids.claim(pending),
        }?;
        lane.retained_bytes += kept.len();
        if of_client {
            lane.used_us = self.now_us;
            lane.requests += 1;
        }
        carried.append(lane.outbox.end(), id);
        let full = lane.outbox.waiting_len() > limits.outbox_high_bytes;
        if !mem::replace(&mut lane.touched, true) {
            self.touched_lanes.push_back(key);
        }
        if full && let Origin::Client { to, .. } = outgoing.origin {
            self.todo.push_back(Todo::LaneFull { lane: key, client: to.client });
        }
        Some(id)
    }

    /// Puts `execute` on a lane in place of the text `request`, which is what waits for the answer then.
    /// Sends the text as it is where it cannot be kept.
    pub(crate) fn send_shaped(
        &mut self,
        key: LaneKey,
        outgoing: &Outgoing,
        request: &[u8],
        execute: &[u8],
    ) -> Option<StreamId> {
        let lane = self.lanes.get(key)?;
        let longer = request.len().max(execute.len());
        let retained_max = self.settings.limits.lane_retained_bytes_max;
        if longer > KEPT_BYTES_MAX || lane.retained_bytes + longer > retained_max {
            let outgoing = Outgoing { subject: Subject::Unknown, ..*outgoing };
            return self.send(key, &outgoing, request);
        }
        let carried = Outgoing { opcode: Opcode::Execute, ..*outgoing };
        let id = self.send(key, &carried, execute)?;
        self.tally.texts_executed += 1;
        let lane = self.lanes.get_mut(key)?;
        if let Some(pending) = lane.ids.waiter_mut(id) {
            lane.retained_bytes = lane.retained_bytes + request.len() - pending.frame.len();
            pending.opcode = outgoing.opcode;
            pending.frame.clear();
            pending.frame.extend_from_slice(request);
        }
        Some(id)
    }

    /// Sends a request of our own; `false` when the lane takes no more.
    pub(crate) fn send_internal(
        &mut self,
        lane: LaneKey,
        request: InternalRequest,
        opcode: Opcode,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let mut frame = Vec::new();
        write_frame(
            &mut frame,
            FrameHead { version: LANE_VERSION, flags: 0, stream: 0 },
            opcode,
            body,
        );
        self.send(lane, &Outgoing::internal(request, opcode, self.now_us), &frame).is_some()
    }

    /// Sends PREPARE for ourselves; `false` when the lane takes no more.
    pub(crate) fn send_prepare(
        &mut self,
        lane: LaneKey,
        text: &str,
        request: InternalRequest,
    ) -> bool {
        self.send_internal(lane, request, Opcode::Prepare, |out| put_long_string(out, text))
    }
}
