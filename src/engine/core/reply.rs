//! What clients get: a node's answers, answers and errors of ours, and the end of the connection.

use std::mem;
use std::ops::Range;

use crate::collections::outbox::make_room;
use crate::engine::action::Action;
use crate::engine::client::{Client, ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::core::todo::Todo;
use crate::engine::pending::{Loss, Pending, Purpose, RequestOrigin};
use crate::engine::view::tally::{Outcome, RequestKind};
use crate::session::session::Phase;
use crate::upstream::lane::PoolId;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::header::{FLAG_PAYLOAD, HEADER_LEN, Header};
use cql::opcode::Opcode;
use cql::response::error;
use cql::response::error::Extras;
use cql::v3;

/// A node broke the protocol; its lane must be closed.
#[derive(Debug)]
pub(crate) struct Broken;

/// A response with the parts of its body separated.
#[derive(Clone, Debug)]
pub(crate) struct Response<'a> {
    pub(crate) header: Header,
    pub(crate) body: &'a [u8],
    /// The custom payload that is ours and is cut, with what else is cut behind it.
    pub(crate) payload: Range<usize>,
    pub(crate) message_at: usize,
    /// Whether the server marked a prepared statement as a light-weight transaction.
    pub(crate) lwt: bool,
    /// The id that the node gave the columns of a prepared statement; empty when none.
    pub(crate) metadata_id: Box<[u8]>,
}

impl<'a> Response<'a> {
    /// What follows tracing id, warnings and payload.
    pub(crate) fn message(&self) -> &'a [u8] {
        self.body.get(self.message_at..).unwrap_or_default()
    }

    /// The whole frame for a client of protocol v4, without what is cut.
    pub(crate) fn write(&self, stream: i16, out: &mut Vec<u8>) {
        make_room(out, HEADER_LEN + self.body.len());
        if self.payload.is_empty() {
            out.extend_from_slice(&Header { stream, ..self.header }.to_bytes());
            return out.extend_from_slice(self.body);
        }
        let body_len = self.header.body_len - u32::try_from(self.payload.len()).unwrap_or(0);
        let flags = self.header.flags & !FLAG_PAYLOAD;
        let header = Header { flags, stream, body_len, ..self.header };
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(self.body.get(..self.payload.start).unwrap_or_default());
        out.extend_from_slice(self.body.get(self.payload.end..).unwrap_or_default());
    }
}

/// A request that ends with a frame for its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) opcode: Opcode,
    pub(crate) arrived_us: u64,
    pub(crate) outcome: Outcome,
}

impl Core {
    /// Hands a node's response to a client, and counts its request as ended.
    pub(crate) fn deliver(
        &mut self,
        to: ClientStream,
        pending: &Pending,
        outcome: Outcome,
        response: &Response<'_>,
    ) {
        let now_us = self.now_us;
        let Some(entry) = self.reader(to.client) else {
            return self.abandon(to.client, pending.opcode);
        };
        if entry.session.takes_node_frames() {
            entry.session.send_plain(|out| response.write(to.stream, out));
        } else {
            let frame = self.frame_for(to, response);
            if let Some(entry) = self.clients.get_mut(to.client) {
                entry.session.send(&frame);
            }
        }
        self.tally.latency.record(now_us.saturating_sub(pending.arrived_us));
        self.finish(to.client, pending.opcode, outcome, response.body.len());
    }

    /// Hands a whole frame to a client, and counts its request as ended.
    pub(crate) fn deliver_frame(&mut self, client: ClientKey, ended: Ended, frame: &[u8]) {
        let now_us = self.now_us;
        let Some(entry) = self.reader(client) else {
            return self.abandon(client, ended.opcode);
        };
        entry.session.send(frame);
        self.tally.latency.record(now_us.saturating_sub(ended.arrived_us));
        self.finish(client, ended.opcode, ended.outcome, frame.len());
    }

    /// The client that is to get an answer; `None` when it has left, or has left so much unread that
    /// it gets nothing more.
    #[inline]
    fn reader(&mut self, client: ClientKey) -> Option<&mut Client> {
        let backlog_max = self.settings.limits.client_backlog_bytes_max;
        let entry = self.clients.get_mut(client)?;
        if entry.disconnected || entry.session.unsent_len() > backlog_max {
            None
        } else {
            Some(entry)
        }
    }

    /// Counts a request as ended whose client is not there to get the answer.
    #[cold]
    fn abandon(&mut self, client: ClientKey, opcode: Opcode) {
        self.disconnects_if_unread(client);
        self.leave(client);
        self.tally.on_request_ended(opcode, Outcome::Abandoned);
    }

    /// Counts a request as ended whose answer has just been appended to its client's outbox.
    pub(crate) fn finish(
        &mut self,
        client: ClientKey,
        opcode: Opcode,
        outcome: Outcome,
        answer_len: usize,
    ) {
        self.tally.on_request_ended(opcode, outcome);
        let limits = &self.settings.limits;
        let (high, answer_bytes_max) = (limits.outbox_high_bytes, limits.client_answer_bytes_max);
        let Some(entry) = self.clients.get_mut(client) else { return };
        if entry.disconnected {
            entry.session.discard_unsent();
        } else if !mem::replace(&mut entry.touched, true) {
            self.touched_clients.push_back(client);
        }
        entry.on_answer_len(answer_len, answer_bytes_max);
        entry.in_flight = entry.in_flight.saturating_sub(1);
        let full = entry.session.unsent_len() > high;
        if entry.paused {
            self.resume_if_possible(client);
        }
        if full {
            self.pause_if_needed(client);
        }
    }

    /// One request of a client is no longer in flight.
    #[inline]
    pub(crate) fn leave(&mut self, client: ClientKey) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        entry.in_flight = entry.in_flight.saturating_sub(1);
        if entry.paused {
            self.resume_if_possible(client);
        }
    }

    /// A response as a client's protocol version has it, uncompressed.
    pub(crate) fn frame_for(&self, to: ClientStream, response: &Response<'_>) -> Vec<u8> {
        let mut frame = Vec::new();
        response.write(to.stream, &mut frame);
        let version = self.clients.get(to.client).and_then(|entry| entry.session.version);
        match version {
            Some(3) => v3::downgrade(&frame).unwrap_or_else(|| {
                let mut refusal = Vec::new();
                let text = "the node's answer has no form in protocol v3";
                error::write_error(&mut refusal, 3, to.stream, ErrorCode::SERVER_ERROR, text);
                refusal
            }),
            _ => frame,
        }
    }

    /// Answers a request of kind `kind` ourselves.
    pub(crate) fn answer(
        &mut self,
        to: ClientStream,
        kind: RequestKind,
        opcode: Opcode,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.send_response(to, opcode, body) {
            self.tally.on_ended(kind, Outcome::Local);
        }
    }

    /// Sends a response of ours and counts nothing; `false` when the client has left.
    pub(crate) fn send_response(
        &mut self,
        to: ClientStream,
        opcode: Opcode,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        self.send_frame(to.client, |out, version| {
            write_frame(out, FrameHead { version, flags: 0, stream: to.stream }, opcode, body);
        })
    }

    /// Sends a frame of ours, which `write` writes for the given version byte, and counts nothing;
    /// `false` when the client has left.
    pub(crate) fn send_frame(
        &mut self,
        client: ClientKey,
        write: impl FnOnce(&mut Vec<u8>, u8),
    ) -> bool {
        let Some(entry) = self.clients.get_mut(client) else { return false };
        let mut frame = Vec::new();
        write(&mut frame, entry.session.response_version());
        entry.session.send(&frame);
        self.touch_client(client);
        true
    }

    /// Answers a request of kind `kind` with an ERROR of ours.
    pub(crate) fn refuse(
        &mut self,
        to: ClientStream,
        kind: RequestKind,
        code: ErrorCode,
        text: &str,
    ) {
        self.tally.on_ended(kind, Outcome::Refused);
        self.send_frame(to.client, |out, version| {
            error::write_error(out, version, to.stream, code, text);
        });
    }

    /// Answers a request of kind `kind` with an ERROR of ours that carries more than a text.
    pub(crate) fn refuse_with(
        &mut self,
        to: ClientStream,
        kind: RequestKind,
        text: &str,
        extras: &Extras<'_>,
    ) {
        self.tally.on_ended(kind, Outcome::Refused);
        self.send_frame(to.client, |out, version| {
            error::write_error_with(out, version, to.stream, text, extras);
        });
    }

    /// Answers a client's request that will get no other answer with an ERROR of ours.
    pub(crate) fn give_up(&mut self, pending: Pending, code: ErrorCode, text: &str) {
        let RequestOrigin::Client { to, purpose } = pending.origin else { return };
        self.leave(to.client);
        self.refuse(to, RequestKind::of(pending.opcode), code, text);
        self.spare.give_back(pending.frame);
        self.end_use(to.client, purpose);
    }

    /// Answers a client's request whose fate is unknown: a read timed out, a write may have run.
    /// `text` says why.
    pub(crate) fn give_up_sent(&mut self, pending: Pending, text: &str) {
        let RequestOrigin::Client { to, purpose } = pending.origin else { return };
        let Loss { consistency, write_type } = Loss::of_pending(&pending);
        let write_type = write_type.name();
        let kind = RequestKind::of(pending.opcode);
        let (received, block_for) = (0, 1);
        if pending.opcode == Opcode::Prepare {
            self.refuse(to, kind, ErrorCode::OVERLOADED, text);
        } else {
            let extras = if pending.is_read {
                let data_present = false;
                Extras::ReadTimeout { consistency, received, block_for, data_present }
            } else {
                Extras::WriteTimeout { consistency, received, block_for, write_type }
            };
            self.refuse_with(to, kind, text, &extras);
        }
        self.leave(to.client);
        self.spare.give_back(pending.frame);
        self.end_use(to.client, purpose);
    }

    /// A request of this purpose has its answer. If it was a `USE`, the frames that came after it
    /// are served at the end of this input.
    pub(crate) fn end_use(&mut self, client: ClientKey, purpose: Purpose) {
        if let Purpose::Use(_) = purpose
            && let Some(entry) = self.clients.get_mut(client)
            && let Some(frames) = entry.switching.take()
        {
            self.todo.push_back(Todo::Resume { client, frames });
        }
    }

    /// Closes a client once it has been sent what is on the way to it.
    pub(crate) fn close_after_flush(&mut self, client: ClientKey) {
        self.touch_client(client);
        if let Some(entry) = self.clients.get_mut(client) {
            entry.session.phase = Phase::Closing;
            self.actions.push_back(Action::CloseClient(client));
        }
    }

    /// Whether a client left so much unread that it gets nothing more and is closed.
    ///
    /// Asked before an answer is added: one answer may be longer than the bound.
    #[inline]
    pub(crate) fn disconnects_if_unread(&mut self, client: ClientKey) -> bool {
        let backlog_max = self.settings.limits.client_backlog_bytes_max;
        let Some(entry) = self.clients.get_mut(client) else { return false };
        if !entry.disconnected && entry.session.unsent_len() > backlog_max {
            entry.disconnected = true;
            entry.session.phase = Phase::Closing;
            // What follows must not be taken for the rest of a frame of which only a part was sent.
            entry.session.discard_unsent();
            self.tally.clients_cut_off += 1;
            self.actions.push_back(Action::CloseClient(client));
        }
        self.clients.get(client).is_some_and(|entry| entry.disconnected)
    }

    /// Closes a client whose credential is not accepted any more; nothing it still sends is served.
    pub(crate) fn evict(&mut self, client: ClientKey) {
        self.tally.clients_revoked += 1;
        if let Some(entry) = self.clients.get_mut(client) {
            entry.base = PoolId::NOWHERE;
            entry.pool = PoolId::NOWHERE;
        }
        self.close_after_flush(client);
    }

    /// Stops reading a client that has too much under way.
    pub(crate) fn pause_if_needed(&mut self, client: ClientKey) {
        let limits = &self.settings.limits;
        let Some(entry) = self.clients.get_mut(client) else { return };
        entry.paused = entry.paused || entry.blocked_by(limits).is_some();
    }

    /// Lets a client be read again once nothing blocks it any more.
    pub(crate) fn resume_if_possible(&mut self, client: ClientKey) {
        let limits = &self.settings.limits;
        let Some(entry) = self.clients.get_mut(client) else { return };
        if entry.paused && entry.blocked_by(limits).is_none() {
            entry.paused = false;
            if entry.held.is_empty() {
                self.actions.push_back(Action::ResumeClient(client));
            } else {
                self.todo.push_back(Todo::ReadHeld(client));
            }
        }
    }
}
