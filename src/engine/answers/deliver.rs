//! The way down: a node's answer to whoever asked.

use std::mem;
use std::ops::Range;

use crate::engine::action::Action;
use crate::engine::answers::metadata_ids;
use crate::engine::answers::metadata_ids::CutId;
use crate::engine::answers::passing::{LARGE_BYTES, Large};
use crate::engine::client::{Client, ClientKey};
use crate::engine::engine::Engine;
use crate::engine::pending::{LaneKey, Origin, Pending, Purpose};
use crate::engine::tally::Outcome;
use crate::upstream::lane::LaneRoute;
use crate::upstream::stream_ids::{Answer, StreamId};
use cql::decoder::FrameDecoder;
use cql::error_code::ErrorCode;
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, HEADER_LEN, Header};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::response::error;
use cql::response::prefix::Prefix;
use cql::response::result::ResultKind;
use cql::v3;

/// Version byte of every frame on a lane.
const LANE_RESPONSE: u8 = 0x84;

/// A node broke the protocol; its lane must be closed.
#[derive(Debug)]
pub(in crate::engine) struct Broken;

/// A response with the parts of its body told apart.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Response<'a> {
    pub(in crate::engine) header: Header,
    pub(in crate::engine) body: &'a [u8],
    /// The custom payload, which is ours and is cut, with whatever else was cut behind it.
    pub(in crate::engine) payload: Range<usize>,
    pub(in crate::engine) message_at: usize,
    /// Whether the server marked a prepared statement as a light-weight transaction.
    pub(in crate::engine) lwt: bool,
    /// The id that the node gave the columns of a prepared statement; empty when none.
    pub(in crate::engine) metadata_id: Box<[u8]>,
}

impl<'a> Response<'a> {
    pub(in crate::engine) fn message(&self) -> &'a [u8] {
        self.body.get(self.message_at..).unwrap_or_default()
    }

    /// The whole frame for a client of protocol v4, without the payload.
    fn write(&self, stream: i16, out: &mut Vec<u8>) {
        let body_len = self.header.body_len - u32::try_from(self.payload.len()).unwrap_or(0);
        let flags = self.header.flags & !FLAG_PAYLOAD;
        let header = Header { flags, stream, body_len, ..self.header };
        out.reserve(HEADER_LEN + self.body.len());
        out.extend_from_slice(&header.to_bytes());
        if self.payload.is_empty() {
            return out.extend_from_slice(self.body);
        }
        out.extend_from_slice(self.body.get(..self.payload.start).unwrap_or_default());
        out.extend_from_slice(self.body.get(self.payload.end..).unwrap_or_default());
    }
}

impl Engine {
    /// A lane received `chunk`. `pass` is given large frames, to write to a client to whom nothing
    /// is on its way; it tells how many bytes were taken.
    pub fn on_lane_bytes(
        &mut self,
        key: LaneKey,
        chunk: &mut [u8],
        mut pass: impl FnMut(ClientKey, &[u8]) -> usize,
    ) {
        let now = self.now_us;
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| !lane.broken) else { return };
        lane.heard_us = now;
        let none = FrameDecoder::new([0; 2], 0);
        let mut decoder = mem::replace(&mut lane.decoder, none);
        let mut rest = chunk;
        let outcome = loop {
            match decoder.next_frame(&mut rest) {
                Ok(Some(frame)) => {
                    let is_large = frame.len() >= LARGE_BYTES;
                    if is_large {
                        self.note_large(frame);
                    }
                    let read = self.on_lane_frame(key, frame);
                    // Whoever waits for it gets it even if it is the last that is believed.
                    if is_large {
                        self.pass_on(frame, &mut pass);
                    }
                    if read.is_err() {
                        break Err(Broken);
                    }
                }
                Ok(None) => break Ok(()),
                Err(_) => break Err(Broken),
            }
        };
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.decoder = decoder;
            lane.broken = outcome.is_err();
            lane.draining |= outcome.is_err();
        }
        if outcome.is_err() {
            self.tally.lanes_broken += 1;
            self.actions.push_back(Action::CloseLane(key));
        }
    }

    pub(in crate::engine) fn on_lane_frame(
        &mut self,
        key: LaneKey,
        frame: &mut [u8],
    ) -> Result<(), Broken> {
        let header = Header::peek(frame).ok_or(Broken)?;
        if header.version != LANE_RESPONSE {
            return Err(Broken);
        }
        if header.flags & FLAG_COMPRESSED != 0 {
            return self.on_compressed_frame(key, frame);
        }
        if header.stream < 0 {
            return Ok(());
        }
        let lane = self.lanes.get_mut(key).ok_or(Broken)?;
        let route = lane.route;
        let pending = match lane.ids.answer(StreamId(header.stream)) {
            Answer::Deliver(pending) => pending,
            Answer::Discard => {
                self.tally.late_answers += 1;
                return Ok(());
            }
            Answer::Reject => return Err(Broken),
        };
        lane.retained_bytes = lane.retained_bytes.saturating_sub(pending.frame.len());
        let drained = lane.draining && !lane.is_awaited();
        let failed = header.opcode == Opcode::Error.byte();
        let outcome = if self.leaves_it_to_twin((key, header.stream), failed) {
            self.give_back(pending.frame);
            Ok(())
        } else {
            let body = frame.get_mut(HEADER_LEN..).unwrap_or_default();
            self.on_response(route, pending, header, body)
        };
        if drained {
            self.actions.push_back(Action::CloseLane(key));
        }
        outcome
    }

    fn on_response(
        &mut self,
        route: LaneRoute,
        pending: Pending,
        header: Header,
        body: &mut [u8],
    ) -> Result<(), Broken> {
        let Ok(Prefix { payload, message_at }) = Prefix::read(header.flags, body) else {
            self.give_up(pending, ErrorCode::SERVER_ERROR, "the node's answer is malformed");
            return Err(Broken);
        };
        let mut lwt = false;
        let mut cut = CutId::default();
        if header.opcode == Opcode::Result.byte() {
            self.learn(&pending, body.get(payload.clone()).unwrap_or_default());
            match metadata_ids::cut(route, body.get_mut(message_at..).unwrap_or_default()) {
                Ok(found) => cut = found,
                Err(Broken) => return self.broken_answer(pending),
            }
            // Only what prepares is answered by what is marked.
            if pending.opcode == Opcode::Prepare {
                let message = body.get_mut(message_at + cut.later..);
                lwt = clear_lwt_mark(route, message.unwrap_or_default());
            }
        }
        let message_at = message_at + cut.later;
        let payload = payload.start..payload.end + cut.later;
        let response = Response { header, body, payload, message_at, lwt, metadata_id: cut.id };
        match pending.origin {
            Origin::Client { client, stream, purpose } => {
                self.answer_client(route, pending, (client, stream, purpose), &response)
            }
            Origin::InternalRequest(internal) => {
                self.on_internal_answered(route, internal, &response);
                self.give_back(pending.frame);
                Ok(())
            }
        }
    }

    fn answer_client(
        &mut self,
        route: LaneRoute,
        mut pending: Pending,
        (client, stream, purpose): (ClientKey, i16, Purpose),
        response: &Response<'_>,
    ) -> Result<(), Broken> {
        let opcode = Opcode::from_byte(response.header.opcode);
        let mut outcome = Outcome::Answered;
        let mut held = false;
        let mut contaminated = false;
        match opcode {
            Some(Opcode::Result) => match ResultKind::read(response.message()) {
                Ok(ResultKind::Void) => {}
                Ok(ResultKind::Rows) => {
                    if self.would_mislead(route, &pending, response.message()) {
                        self.ask_again(route.pool, pending);
                        return Ok(());
                    }
                    self.on_page(route, response.message());
                }
                Ok(ResultKind::Prepared) => self.on_prepared(route, &pending, response),
                Ok(ResultKind::SetKeyspace) => match purpose {
                    Purpose::Use(pool) => self.on_keyspace_set(client, pool, response.message()),
                    Purpose::Forward => contaminated = true,
                },
                Ok(ResultKind::SchemaChange) => {
                    self.on_schema_changed(response.message());
                    held = true;
                }
                Err(_) => return self.broken_answer(pending),
            },
            Some(Opcode::Error) => {
                if matches!(pending.opcode, Opcode::Execute | Opcode::Batch)
                    && Reader::new(response.message()).int() == Ok(ErrorCode::UNPREPARED.0)
                {
                    return self.on_unprepared(route, pending, response);
                }
                match self.retry_refused(route, pending, response.message()) {
                    Some(back) => pending = back,
                    None => return Ok(()),
                }
                outcome = Outcome::Failed;
            }
            _ => return self.broken_answer(pending),
        }
        if held {
            let frame = self.frame_for(client, stream, response);
            self.hold_for_agreement(client, pending.opcode, pending.arrived_us, frame);
        } else if !matches!(self.large, Large::Unread)
            || !self.passes_on(
                (client, stream, purpose),
                (&pending, outcome),
                response.payload.is_empty(),
            )
        {
            self.deliver((client, stream), &pending, outcome, response);
        }
        self.give_back(pending.frame);
        if let Purpose::Use(_) = purpose {
            self.on_use_ended(client);
        }
        if contaminated { Err(Broken) } else { Ok(()) }
    }

    /// Hands a response to a client, and counts its request as ended.
    pub(in crate::engine) fn deliver(
        &mut self,
        (client, stream): (ClientKey, i16),
        pending: &Pending,
        outcome: Outcome,
        response: &Response<'_>,
    ) {
        if self.is_gone_or_unread(client) {
            return self.on_ended(pending.opcode, Outcome::Abandoned);
        }
        let Some(entry) = self.clients.get_mut(client) else { return };
        self.tally.latency.record(self.now_us.saturating_sub(pending.arrived_us));
        if entry.session.version == Some(4) && entry.session.compression.is_none() {
            response.write(stream, entry.session.outbox.end());
        } else {
            let frame = self.frame_for(client, stream, response);
            if let Some(entry) = self.clients.get_mut(client) {
                entry.session.send(&frame);
            }
        }
        self.after_delivery(client, pending.opcode, outcome);
    }

    /// Hands a whole frame to a client, and counts its request as ended.
    pub(in crate::engine) fn deliver_frame(
        &mut self,
        client: ClientKey,
        (opcode, arrived_us): (Opcode, u64),
        outcome: Outcome,
        frame: &[u8],
    ) {
        if self.is_gone_or_unread(client) {
            return self.on_ended(opcode, Outcome::Abandoned);
        }
        let Some(entry) = self.clients.get_mut(client) else { return };
        self.tally.latency.record(self.now_us.saturating_sub(arrived_us));
        entry.session.send(frame);
        self.after_delivery(client, opcode, outcome);
    }

    /// Whether a client is gone, or is cut off since it never reads.
    #[inline]
    fn is_gone_or_unread(&mut self, client: ClientKey) -> bool {
        let backlog_max = self.settings.limits.client_backlog_bytes_max;
        let hears = |entry: &Client| {
            !entry.disconnected && entry.session.outbox.waiting_len() <= backlog_max
        };
        if self.clients.get(client).is_some_and(hears) {
            return false;
        }
        let deaf = self.clients.get(client).is_none() || self.disconnects_if_unread(client);
        if deaf {
            self.leave(client);
        }
        deaf
    }

    pub(in crate::engine) fn after_delivery(
        &mut self,
        client: ClientKey,
        opcode: Opcode,
        outcome: Outcome,
    ) {
        self.touch_client(client);
        self.on_ended(opcode, outcome);
        let Some(entry) = self.clients.get_mut(client) else { return };
        entry.in_flight = entry.in_flight.saturating_sub(1);
        let full = entry.session.outbox.waiting_len() > self.settings.limits.outbox_high_bytes;
        if entry.paused {
            self.resume_if_possible(client);
        }
        if full {
            self.pause_if_needed(client);
        }
    }

    /// A response as a client's protocol version has it, uncompressed.
    pub(in crate::engine) fn frame_for(
        &self,
        client: ClientKey,
        stream: i16,
        response: &Response<'_>,
    ) -> Vec<u8> {
        let mut frame = Vec::new();
        response.write(stream, &mut frame);
        let version = self.clients.get(client).and_then(|entry| entry.session.version);
        match version {
            Some(3) => v3::downgrade(&frame).unwrap_or_else(|| {
                let mut refusal = Vec::new();
                let text = "the node's answer has no form in protocol v3";
                error::write_error(&mut refusal, 3, stream, ErrorCode::SERVER_ERROR, text);
                refusal
            }),
            _ => frame,
        }
    }

    fn broken_answer(&mut self, pending: Pending) -> Result<(), Broken> {
        self.give_up(pending, ErrorCode::SERVER_ERROR, "the node's answer is malformed");
        Err(Broken)
    }
}

/// Clears the mark of light-weight transactions, which the client did not ask for, and tells
/// whether it was set.
fn clear_lwt_mark(route: LaneRoute, message: &mut [u8]) -> bool {
    if route.lwt_mask == 0 || ResultKind::read(message) != Ok(ResultKind::Prepared) {
        return false;
    }
    let Ok(id_len) = Reader::new(message.get(4..).unwrap_or_default()).short() else {
        return false;
    };
    let at = 6 + usize::from(id_len);
    let Some(flags) = message.get_mut(at..at + 4) else { return false };
    let Ok(bytes) = <[u8; 4]>::try_from(&*flags) else { return false };
    let before = u32::from_be_bytes(bytes);
    flags.copy_from_slice(&(before & !route.lwt_mask).to_be_bytes());
    before & route.lwt_mask != 0
}
