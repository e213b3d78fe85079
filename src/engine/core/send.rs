//! Requests onto lanes, in the form in which a lane carries them: with an id of result metadata, a custom
//! payload and compression, where the node agreed to that.

use std::mem;

use crate::collections::outbox::make_room;
use crate::collections::slab::Slab;
use crate::engine::client::Client;
use crate::engine::core::core::Core;
use crate::engine::core::todo::Todo;
use crate::engine::pending::{InternalRequest, LaneKey, Loss, Outgoing, RequestOrigin, Subject};
use crate::routing::catalog::Catalog;
use crate::routing::statement::CatalogEntry;
use crate::upstream::lane::LANE_VERSION;
use crate::upstream::lane::{LaneRoute, PoolId};
use crate::upstream::stream_ids::StreamId;
use cql::compression::Compression;
use cql::frame::{FrameHead, write_frame};
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, FLAG_TRACING, HEADER_LEN, Header};
use cql::notation::{Reader, put_long_string, put_short_bytes};
use cql::opcode::Opcode;

/// Shortest body that is worth compressing, bytes: a shorter one fits a packet anyway.
const COMPRESSED_BYTES_MIN: usize = 512;
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
        let of_client = matches!(outgoing.origin, RequestOrigin::Client { .. });
        if of_client && lane.base != outgoing.base {
            // A client that has left or was evicted has no base. Otherwise a pool was mistaken.
            debug_assert_eq!(outgoing.base, PoolId::NOWHERE, "a client on {:?}", lane.base);
            return None;
        }
        let keep = request.len() <= KEPT_BYTES_MAX
            && lane.retained_bytes + request.len() <= limits.lane_retained_bytes_max;
        let loss = if keep { None } else { Some(Loss::of(outgoing, request)) };
        let kept = if keep { request } else { &[] };
        let carrying = with_payload(&self.clients, lane.route, outgoing, request);
        let request = carrying.as_deref().unwrap_or(request);
        let metadata_id = held_id(&self.router.catalog, lane.route, outgoing);
        let carried = Carried::new(request, metadata_id, lane.route.compression);
        let request_len = u64::try_from(carried.len()).unwrap_or(u64::MAX);
        let sent_at = lane.outbox.appended_total() + request_len;
        let spare = &mut self.spare;
        let pending = || outgoing.pending(sent_at, loss, spare.keep(kept));
        let id = match outgoing.origin {
            RequestOrigin::Internal(InternalRequest::Heartbeat) => lane.ids.claim_one_more(pending),
            RequestOrigin::Internal(_) | RequestOrigin::Client { .. } => lane.ids.claim(pending),
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
        if full && let RequestOrigin::Client { to, .. } = outgoing.origin {
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

/// The id that an EXECUTE has to name on a lane; `None` where it names none.
///
/// An empty id matches no columns, so that rows come with theirs: for statements that are not in
/// the catalog, or of which clients hold different columns.
#[inline]
fn held_id<'c>(catalog: &'c Catalog, route: LaneRoute, outgoing: &Outgoing) -> Option<&'c [u8]> {
    if !route.metadata_ids || outgoing.opcode != Opcode::Execute {
        return None;
    }
    let entry = outgoing.subject.statement().and_then(|key| catalog.get(key));
    Some(entry.map_or(&[], CatalogEntry::held_metadata_id))
}

/// Appends an EXECUTE frame with a metadata id after its statement's id.
fn write_with_id(out: &mut Vec<u8>, request: &[u8], id: &[u8]) {
    let body = request.get(HEADER_LEN..).unwrap_or_default();
    let mut reader = Reader::new(body);
    // The node refuses a request without a statement id.
    let rest = reader.short_bytes().map_or(&[][..], |_| reader.rest());
    let head_len = request.len() - rest.len();
    let start = out.len();
    out.extend_from_slice(request.get(..head_len).unwrap_or_default());
    put_short_bytes(out, id);
    out.extend_from_slice(rest);
    let body_len = u32::try_from(out.len() - start - HEADER_LEN).unwrap_or(u32::MAX);
    if let Some(header) = Header::peek(request)
        && let Some(at) = out.get_mut(start..start + HEADER_LEN)
    {
        at.copy_from_slice(&Header { body_len, ..header }.to_bytes());
    }
}

/// A request with its custom payload in front of its message; `None` when it has none, or the node
/// has no use for it.
#[inline]
fn with_payload(
    clients: &Slab<Client>,
    route: LaneRoute,
    outgoing: &Outgoing,
    request: &[u8],
) -> Option<Vec<u8>> {
    match outgoing.origin {
        RequestOrigin::Client { to, .. } if route.is_cassandra => {
            let payload = clients.get(to.client)?.payloads.of(to.stream)?;
            let message = request.get(HEADER_LEN..)?;
            let header = Header::peek(request)?;
            let body_len = u32::try_from(payload.len() + message.len()).ok()?;
            let head = Header { flags: header.flags | FLAG_PAYLOAD, body_len, ..header };
            Some([&head.to_bytes()[..], payload, message].concat())
        }
        RequestOrigin::Client { .. } | RequestOrigin::Internal(_) => None,
    }
}

/// A request as its lane carries it.
struct Carried<'a> {
    request: &'a [u8],
    metadata_id: Option<&'a [u8]>,
    /// The whole frame, where the lane agreed on compression.
    packed: Option<Vec<u8>>,
}

impl<'a> Carried<'a> {
    /// A request for a lane that agreed on `compression`, and its metadata id if it is to name one.
    #[inline]
    fn new(
        request: &'a [u8],
        metadata_id: Option<&'a [u8]>,
        compression: Option<Compression>,
    ) -> Self {
        let packed = compression.map(|one| pack(request, metadata_id, one));
        Self { request, metadata_id, packed }
    }

    /// Bytes of the frame.
    #[inline]
    fn len(&self) -> usize {
        match &self.packed {
            Some(packed) => packed.len(),
            None => self.request.len() + self.metadata_id.map_or(0, |id| 2 + id.len()),
        }
    }

    /// Appends the frame under a stream id of the lane.
    #[inline]
    fn append(self, out: &mut Vec<u8>, id: StreamId) {
        let at = out.len();
        make_room(out, self.packed.as_ref().map_or(self.request.len(), Vec::len));
        match (&self.packed, self.metadata_id) {
            (Some(packed), _) => out.extend_from_slice(packed),
            (None, Some(id)) => write_with_id(out, self.request, id),
            (None, None) => out.extend_from_slice(self.request),
        }
        let compressed = self.packed.map_or(0, |_| FLAG_COMPRESSED);
        if let Some([version, flags, high, low, ..]) = out.get_mut(at..) {
            *version = LANE_VERSION;
            *flags &= FLAG_TRACING | FLAG_PAYLOAD | compressed;
            [*high, *low] = id.0.to_be_bytes();
        }
    }
}

/// A request as a lane carries it that agreed on `compression`.
fn pack(request: &[u8], metadata_id: Option<&[u8]>, compression: Compression) -> Vec<u8> {
    let mut plain = Vec::new();
    match metadata_id {
        Some(id) => write_with_id(&mut plain, request, id),
        None => plain.extend_from_slice(request),
    }
    if plain.len() < HEADER_LEN + COMPRESSED_BYTES_MIN {
        return plain;
    }
    let mut packed = Vec::new();
    match compression.compress_frame(&plain, &mut packed) {
        Ok(()) => packed,
        // A body that cannot be compressed is sent as it is; the frame's flag says so.
        Err(_) => plain,
    }
}
