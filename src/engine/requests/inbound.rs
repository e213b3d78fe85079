//! Bytes from a client: cut into frames, checked, and dealt to who answers them.

use std::mem;

use zeroize::Zeroize;

use crate::engine::action::Action;
use crate::engine::client::{Client, ClientKey};
use crate::engine::engine::Engine;
use crate::engine::tally::{Outcome, RequestKind};
use crate::session::session::Phase;
use cql::decoder::FrameDecoder;
use cql::error::WireError;
use cql::error_code::ErrorCode;
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, FLAG_TRACING, HEADER_LEN, Header};
use cql::opcode::Opcode;
use cql::refusal;
use cql::response::error;
use cql::response::prefix;
use cql::v3;

/// Longest body that is passed over, bytes: the protocol's own limit (v4 section 2.5). An announced
/// length beyond it is no length at all.
const PASSED_BYTES_MAX: u32 = 256 << 20;
/// How long that may take.
const PASSING_US_MAX: u64 = 60_000_000;

impl Engine {
    /// A client sent `chunk`.
    pub fn on_client_bytes(&mut self, client: ClientKey, chunk: &mut [u8]) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        if entry.session.phase == Phase::Closing {
            return;
        }
        if entry.session.version.is_none()
            && let Some(first) = chunk.first()
        {
            if !matches!(first, 3 | 4) {
                let first = *first;
                return self.refuse_version(client, first);
            }
            entry.session.version = Some(*first);
        }
        let none = FrameDecoder::new([0; 2], 0);
        let mut decoder = mem::replace(&mut entry.session.decoder, none);
        let mut rest = chunk;
        let outcome = loop {
            match decoder.next_frame(&mut rest) {
                Ok(Some(frame)) => self.on_client_frame(client, frame),
                Ok(None) => break Ok(()),
                Err(error) => {
                    if !self.allows_more(client, &mut decoder, &error)
                        && !self.passes_over(client, (&mut decoder, &mut rest), &error)
                    {
                        break Err(error);
                    }
                }
            }
            let open = self.clients.get(client);
            if open.is_none_or(|open| open.session.phase == Phase::Closing) {
                break Ok(());
            }
        };
        if let Some(entry) = self.clients.get_mut(client) {
            entry.session.decoder = decoder;
        }
        match outcome {
            Ok(()) => {}
            Err(WireError::Version(byte)) => self.refuse_version_change(client, byte),
            Err(error) => self.break_off(client, &error),
        }
        self.pause_if_needed(client);
    }

    /// One whole frame of a client.
    pub(in crate::engine) fn on_client_frame(&mut self, client: ClientKey, frame: &mut [u8]) {
        let Some(header) = Header::peek(frame) else { return };
        let Some(entry) = self.clients.get_mut(client) else { return };
        if entry.session.version.is_some_and(|version| version != header.version) {
            return self.refuse_version_change(client, header.version);
        }
        if let Some(waiting) = &mut entry.switching {
            waiting.extend_from_slice(frame);
            return;
        }
        let Some(opcode) = self.admit(client, header) else { return };
        if header.flags & (FLAG_COMPRESSED | FLAG_PAYLOAD) == 0 {
            return self.dispatch(client, opcode, frame);
        }
        match self.plain_frame(client, header, frame) {
            Ok(mut plain) => self.dispatch(client, opcode, &mut plain),
            Err(error) => {
                let ask = RequestKind::of(opcode);
                // Here the frame's end is known: what is too long is what it holds.
                if !error.is_fatal() || matches!(error, WireError::BodyTooLong { .. }) {
                    let asked = (client, header.stream);
                    return self.refuse(asked, ask, error.code(), &self.told(&error));
                }
                self.tally.on_ended(ask, Outcome::Refused);
                self.break_off(client, &error);
            }
        }
    }

    /// Counts a request and answers those that this phase does not allow.
    fn admit(&mut self, client: ClientKey, header: Header) -> Option<Opcode> {
        let phase = self.clients.get(client)?.session.phase;
        let opcode = Opcode::from_byte(header.opcode);
        let ask = opcode.map_or(RequestKind::Session, RequestKind::of);
        self.tally.on_received(ask);
        let allowed = match (phase, opcode) {
            (Phase::Fresh, opcode) => matches!(opcode, Some(Opcode::Startup | Opcode::Options)),
            (Phase::Authenticating, opcode) => {
                opcode == Some(Opcode::AuthResponse) && !self.is_logging_in(client)
            }
            (Phase::Ready | Phase::Closing, opcode) => opcode.is_some_and(|opcode| {
                matches!(
                    opcode,
                    Opcode::Query
                        | Opcode::Prepare
                        | Opcode::Execute
                        | Opcode::Batch
                        | Opcode::Options
                        | Opcode::Register
                        | Opcode::Startup
                        | Opcode::AuthResponse
                )
            }),
        };
        if allowed {
            return opcode;
        }
        let text = match phase {
            Phase::Fresh => {
                format!("Unexpected message {}, expecting STARTUP or OPTIONS", header.opcode)
            }
            Phase::Authenticating => {
                format!("Unexpected message {}, expecting SASL_RESPONSE", header.opcode)
            }
            Phase::Ready | Phase::Closing => format!("Unknown opcode {}", header.opcode),
        };
        self.refuse((client, header.stream), ask, ErrorCode::PROTOCOL_ERROR, &text);
        None
    }

    fn dispatch(&mut self, client: ClientKey, opcode: Opcode, frame: &mut [u8]) {
        if frame.first() == Some(&3) {
            v3::upgrade(opcode, frame.get_mut(HEADER_LEN..).unwrap_or_default());
        }
        match opcode {
            Opcode::Execute => self.on_execute(client, frame),
            Opcode::Query => self.on_query(client, frame),
            Opcode::Prepare => self.on_prepare(client, frame),
            Opcode::Batch => self.on_batch(client, frame),
            Opcode::AuthResponse => {
                self.on_auth_response(client, frame);
                // It holds a password, and the buffer lives on.
                frame.zeroize();
            }
            Opcode::Options
            | Opcode::Startup
            | Opcode::Register
            | Opcode::Error
            | Opcode::Ready
            | Opcode::Authenticate
            | Opcode::Supported
            | Opcode::Result
            | Opcode::Event
            | Opcode::AuthChallenge
            | Opcode::AuthSuccess => self.on_session_message(client, opcode, frame),
        }
    }

    /// Undoes compression and cuts a request's custom payload, which older servers misread.
    fn plain_frame(
        &self,
        client: ClientKey,
        header: Header,
        frame: &[u8],
    ) -> Result<Vec<u8>, WireError> {
        let raw = frame.get(HEADER_LEN..).unwrap_or_default();
        let mut body = Vec::new();
        if header.flags & FLAG_COMPRESSED != 0 {
            let agreed = self.clients.get(client).and_then(|entry| entry.session.compression);
            let agreed = agreed.ok_or(WireError::CompressionUnasked)?;
            agreed.decompress(raw, self.settings.limits.frame_body_bytes_max, &mut body)?;
        } else {
            body.extend_from_slice(raw);
        }
        if header.flags & FLAG_PAYLOAD != 0 {
            let len = prefix::request_payload_len(&body)?;
            body.drain(..len);
        }
        let body_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let plain = Header { flags: header.flags & FLAG_TRACING, body_len, ..header };
        let mut whole = plain.to_bytes().to_vec();
        whole.append(&mut body);
        Ok(whole)
    }

    /// Answers a request with an ERROR of our own.
    pub(in crate::engine) fn refuse(
        &mut self,
        (client, stream): (ClientKey, i16),
        ask: RequestKind,
        code: ErrorCode,
        text: &str,
    ) {
        self.tally.on_ended(ask, Outcome::Refused);
        self.send_error((client, stream), code, text);
    }

    /// Sends an ERROR of our own; who counts it is the caller's business.
    pub(in crate::engine) fn send_error(
        &mut self,
        (client, stream): (ClientKey, i16),
        code: ErrorCode,
        text: &str,
    ) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        let mut frame = Vec::new();
        error::write_error(&mut frame, entry.session.response_version(), stream, code, text);
        entry.session.send(&frame);
        self.touch_client(client);
    }

    fn refuse_version(&mut self, client: ClientKey, version: u8) {
        if is_newer(version) {
            self.tally.clients_newer += 1;
        } else {
            self.tally.clients_broken += 1;
        }
        if let Some(entry) = self.clients.get_mut(client) {
            refusal::write_version_refusal(entry.session.outbox.end(), version);
        }
        self.close_after_flush(client);
    }

    fn refuse_version_change(&mut self, client: ClientKey, version: u8) {
        self.tally.clients_broken += 1;
        if let Some(entry) = self.clients.get_mut(client) {
            let own = entry.session.version.unwrap_or(4);
            refusal::write_version_change(entry.session.outbox.end(), own, version);
        }
        self.close_after_flush(client);
    }

    /// Tells a client what is wrong with its bytes, and closes it. As from ScyllaDB, the ERROR
    /// stands on stream 0 and is not compressed.
    fn break_off(&mut self, client: ClientKey, error: &WireError) {
        self.tally.clients_broken += 1;
        let text = self.told(error);
        if let Some(entry) = self.clients.get_mut(client) {
            let version = entry.session.response_version();
            let out = entry.session.outbox.end();
            error::write_error(out, version, 0, error.code(), &text);
        }
        self.close_after_flush(client);
    }

    /// Closes a client once it has been sent what is on the way to it.
    pub(in crate::engine) fn close_after_flush(&mut self, client: ClientKey) {
        self.touch_client(client);
        if let Some(entry) = self.clients.get_mut(client) {
            entry.session.phase = Phase::Closing;
            self.actions.push_back(Action::CloseClient(client));
        }
    }

    /// The first request of a client that is longer than what a stranger may send: from now on it
    /// may send more. `false` when it may not.
    #[cold]
    fn allows_more(
        &self,
        client: ClientKey,
        decoder: &mut FrameDecoder,
        error: &WireError,
    ) -> bool {
        let &WireError::BodyTooLong { len_max, .. } = error else { return false };
        let all = self.settings.limits.frame_body_bytes_max;
        let served = |entry: &Client| entry.session.phase == Phase::Ready;
        if len_max >= all || !self.clients.get(client).is_some_and(served) {
            return false;
        }
        decoder.allow(all);
        true
    }

    /// What a client is told that is wrong with its bytes. Whoever reads it shall know which
    /// server set the limit, and where.
    fn told(&self, error: &WireError) -> String {
        let &WireError::BodyTooLong { len_max, .. } = error else { return error.to_string() };
        if len_max < self.settings.limits.frame_body_bytes_max {
            format!("{error} for clients that have not logged in to shardlane")
        } else {
            format!("{error}, which is limits.frame_body_bytes_max of shardlane")
        }
    }

    /// A client sent more than fits: refuses a request that is too long on its own stream, and
    /// passes over its bytes, so that the client's other requests go on. `false` when the client
    /// has to be closed.
    fn passes_over(
        &mut self,
        client: ClientKey,
        (decoder, rest): (&mut FrameDecoder, &mut &mut [u8]),
        error: &WireError,
    ) -> bool {
        let &WireError::BodyTooLong { len, .. } = error else { return false };
        let Some(entry) = self.clients.get_mut(client) else { return false };
        if entry.session.phase != Phase::Ready || len > PASSED_BYTES_MAX {
            return false;
        }
        let Some(header) = decoder.pass_over(rest) else { return false };
        entry.passing_until_us = Some(self.now_us + PASSING_US_MAX);
        let ask = Opcode::from_byte(header.opcode).map_or(RequestKind::Session, RequestKind::of);
        self.tally.on_received(ask);
        self.refuse((client, header.stream), ask, error.code(), &self.told(error));
        true
    }

    /// Closes a client that takes too long over a request that is passed over.
    pub(in crate::engine) fn expire_passing(&mut self, client: ClientKey) {
        let now_us = self.now_us;
        let Some(entry) = self.clients.get_mut(client) else { return };
        if entry.session.decoder.passing() == 0 {
            entry.passing_until_us = None;
        } else if entry.passing_until_us.is_some_and(|until_us| until_us <= now_us) {
            entry.passing_until_us = None;
            self.tally.clients_broken += 1;
            self.close_after_flush(client);
        }
    }
}

/// Whether a first byte is a version that drivers try before they step down to one that is spoken
/// here: 5 and 6, and DataStax's own 1 and 2 with bit 6.
fn is_newer(version: u8) -> bool {
    matches!(version, 5 | 6 | 0x41 | 0x42)
}
