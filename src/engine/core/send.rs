//! Requests onto lanes.

use crate::engine::core::core::Core;
use crate::engine::core::lane_frame;
use crate::engine::core::todo::Todo;
use crate::engine::pending::{InternalRequest, LaneKey, Loss, Origin, Outgoing};
use crate::upstream::lane::PoolId;
use crate::upstream::stream_ids::StreamId;
use cql::frame;
use cql::frame::{FrameHead, write_frame};
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, FLAG_TRACING};
use cql::notation::put_long_string;
use cql::opcode::Opcode;

/// Longest frame that is kept for sending again, bytes.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// Protocol version of every lane.
const LANE_VERSION: u8 = 4;

impl Core {
    /// Puts a request on a lane and returns its stream id there; `None` when the lane takes no more.
    pub(crate) fn send(
        &mut self,
        key: LaneKey,
        outgoing: &Outgoing,
        request: &[u8],
    ) -> Option<StreamId> {
        let limits = self.settings.limits;
        let lane = self.lanes.get(key)?;
        let (base, retained) = (lane.base, lane.retained_bytes);
        let of_client = matches!(outgoing.origin, Origin::Client { .. });
        if of_client && base != outgoing.base {
            // A client that has left or was evicted has no base. Otherwise a pool was mistaken.
            debug_assert_eq!(outgoing.base, PoolId::NOWHERE, "a client on a lane of {base:?}");
            return None;
        }
        let keep = request.len() <= KEPT_BYTES_MAX
            && retained + request.len() <= limits.lane_retained_bytes_max;
        let loss = if keep { None } else { Some(Loss::of(outgoing, request)) };
        let kept = self.keep(if keep { request } else { &[] });
        let lane = self.lanes.get_mut(key)?;
        let kept_len = kept.len();
        let carrying = lane_frame::with_payload(&self.clients, lane.route, outgoing, request);
        let request = carrying.as_deref().unwrap_or(request);
        let metadata_id = lane_frame::held_id(&self.router.catalog, lane.route, outgoing);
        let packed = lane.route.compression.map(|one| lane_frame::pack(request, metadata_id, one));
        let request_len = match &packed {
            Some(packed) => packed.len(),
            None => request.len() + metadata_id.map_or(0, |id| 2 + id.len()),
        };
        let request_len = u64::try_from(request_len).unwrap_or(u64::MAX);
        let sent_at = lane.outbox.appended_total() + request_len;
        let pending = outgoing.pending(sent_at, loss, kept);
        let claimed = match outgoing.origin {
            Origin::Internal(InternalRequest::Heartbeat) => lane.ids.claim_one_more(pending),
            Origin::Internal(_) | Origin::Client { .. } => lane.ids.claim(pending),
        };
        let id = match claimed {
            Ok(id) => id,
            Err(refused) => {
                self.give_back(refused.frame);
                return None;
            }
        };
        lane.retained_bytes += kept_len;
        if of_client {
            lane.used_us = self.now_us;
            lane.requests += 1;
        }
        let out = lane.outbox.end();
        let at = out.len();
        match (&packed, metadata_id) {
            (Some(packed), _) => out.extend_from_slice(packed),
            (None, Some(id)) => lane_frame::write_with_id(out, request, id),
            (None, None) => out.extend_from_slice(request),
        }
        let compressed = packed.map_or(0, |_| FLAG_COMPRESSED);
        if let Some([version, flags, ..]) = out.get_mut(at..) {
            *version = LANE_VERSION;
            *flags &= FLAG_TRACING | FLAG_PAYLOAD | compressed;
        }
        frame::patch_stream(out.get_mut(at..).unwrap_or_default(), id.0);
        let full = lane.outbox.waiting_len() > limits.outbox_high_bytes;
        self.touch_lane(key);
        if full && let Origin::Client { to, .. } = outgoing.origin {
            self.todo.push_back(Todo::LaneFull { lane: key, client: to.client });
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
