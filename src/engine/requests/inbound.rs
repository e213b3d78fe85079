//! Bytes from a client: cut into frames, checked, and handed on as requests.

use std::mem;

use crate::engine::client::{Client, ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::core::message::ClientRequest;
use crate::engine::core::todo::{Todo, TracedRequest};
use crate::engine::features::clients::{logins, newcomers};
use crate::engine::features::features::Features;
use crate::engine::features::local::{local_requests, local_traces};
use crate::engine::limits::KEYS;
use crate::engine::requests::plain::PlainRequest;
use crate::engine::requests::{plain, route};
use crate::engine::view::tally::{Outcome, RequestKind};
use crate::session::session::Phase;
use cql::decoder::FrameDecoder;
use cql::error::WireError;
use cql::error_code::ErrorCode;
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, FLAG_TRACING, HEADER_LEN, Header};
use cql::opcode::Opcode;
use cql::refusal;
use cql::response::error;
use cql::v3;
use zeroize::Zeroize;

/// Longest body that is skipped, bytes: the protocol's own limit (v4 section 2.5). An announced
/// length beyond it is no length at all.
const SKIPPED_BYTES_MAX: u32 = 256 << 20;
/// How long that may take, µs.
const SKIPPING_US_MAX: u64 = 60_000_000;

/// The bytes of one read: what is left of them, and the decoder that holds what came before.
#[derive(Debug)]
pub(crate) struct ClientChunk<'a> {
    client: ClientKey,
    decoder: FrameDecoder,
    rest: &'a mut [u8],
}

/// Begins to read what a client sent; `None` when it is not read any more.
#[inline]
pub(crate) fn begin<'a>(
    core: &mut Core,
    client: ClientKey,
    chunk: &'a mut [u8],
) -> Option<ClientChunk<'a>> {
    let entry = core.clients.get_mut(client)?;
    if entry.session.phase == Phase::Closing {
        return None;
    }
    if entry.session.version.is_none()
        && let Some(first) = chunk.first().copied()
    {
        if !matches!(first, 3 | 4) {
            refuse_version(core, client, first);
            return None;
        }
        entry.session.version = Some(first);
    }
    core.memory.bring(chunk.len());
    let none = FrameDecoder::new([0; 2], 0);
    let decoder = mem::replace(&mut entry.session.decoder, none);
    Some(ClientChunk { client, decoder, rest: chunk })
}

/// Reads the next frame of a chunk and acts on it; `false` when there is no more, or when the client has as
/// much under way as it may have.
#[inline]
pub(crate) fn next(core: &mut Core, features: &mut Features, chunk: &mut ClientChunk<'_>) -> bool {
    let client = chunk.client;
    match chunk.decoder.next_frame(&mut chunk.rest) {
        Ok(Some(frame)) => on_frame(core, features, client, frame),
        Ok(None) => return false,
        Err(_) if is_closing(core, client) => return false,
        Err(error) => {
            if !allows_more(core, chunk, &error) && !skips(core, chunk, &error) {
                if let WireError::Version(byte) = error {
                    refuse_version_change(core, client, byte);
                } else {
                    break_off(core, client, &error);
                }
                return false;
            }
        }
    }
    core.clients.get(client).is_some_and(|open| !open.has_too_much_under_way())
}

/// Whether a client is not read any more.
#[cold]
fn is_closing(core: &Core, client: ClientKey) -> bool {
    core.clients.get(client).is_none_or(|open| open.session.phase == Phase::Closing)
}

/// Ends a chunk: the decoder keeps the beginning of the next frame. Returns how many bytes were left,
/// because the client has as much under way as it may have.
#[inline]
pub(crate) fn end(core: &mut Core, chunk: ClientChunk<'_>) -> usize {
    let limits = &core.settings.limits;
    if let Some(entry) = core.clients.get_mut(chunk.client) {
        entry.session.decoder = chunk.decoder;
        entry.paused = entry.paused || entry.blocked_by(limits).is_some();
    }
    chunk.rest.len()
}

/// Keeps what a client sent that has as much under way as it may have; the first `done` bytes of it are
/// served.
#[cold]
pub(crate) fn hold(core: &mut Core, client: ClientKey, held: Vec<u8>, done: usize) {
    let Some(entry) = core.clients.get_mut(client) else { return };
    if entry.session.phase == Phase::Closing {
        return;
    }
    (entry.held, entry.held_done) = (held, done);
    if !entry.paused {
        core.todo.push_back(Todo::ReadHeld(client));
    }
}

/// One whole frame of a client; nothing is served of one that closes.
fn on_frame(core: &mut Core, features: &mut Features, client: ClientKey, frame: &mut [u8]) {
    let Some(header) = Header::peek(frame) else { return };
    let Some(entry) = core.clients.get_mut(client) else { return };
    if entry.session.phase == Phase::Closing {
        return;
    }
    if entry.session.version.is_some_and(|version| version != header.version) {
        return refuse_version_change(core, client, header.version);
    }
    if let Some(waiting) = &mut entry.switching {
        waiting.extend_from_slice(frame);
        return;
    }
    entry.payloads.forget(header.stream);
    let opcode = Opcode::from_byte(header.opcode);
    let allowed = opcode.filter(|opcode| allows(entry, *opcode));
    let kind = opcode.map_or(RequestKind::Session, RequestKind::of);
    core.tally.on_received(kind);
    let from = ClientStream { client, stream: header.stream };
    let Some(opcode) = allowed else { return refuse_opcode(core, from, kind, header.opcode) };
    let request = ClientRequest { from, opcode, frame, trace: None };
    // Nearly every request is of v4, with nothing to undo.
    if header.version == 4 && header.flags & (FLAG_COMPRESSED | FLAG_PAYLOAD | FLAG_TRACING) == 0 {
        return serve(core, features, request);
    }
    if header.flags & (FLAG_COMPRESSED | FLAG_PAYLOAD) == 0 {
        return serve_or_trace(core, features, request);
    }
    serve_packed(core, features, header, &request);
}

/// Serves a request that is compressed or has a custom payload.
fn serve_packed(
    core: &mut Core,
    features: &mut Features,
    header: Header,
    request: &ClientRequest<'_>,
) {
    let &ClientRequest { from, opcode, ref frame, .. } = request;
    let (client, kind) = (from.client, RequestKind::of(opcode));
    if let Err(refusal) = plain::make_room(core, client, header, frame) {
        return core.refuse(from, kind, ErrorCode::OVERLOADED, &refusal);
    }
    match plain::plain_frame(core, client, header, frame) {
        Ok(PlainRequest { mut frame, payload }) => {
            if let Err(refusal) = plain::keep_payload(core, from, opcode, &payload) {
                return core.refuse(from, kind, ErrorCode::OVERLOADED, &refusal);
            }
            let frame = &mut frame;
            serve_or_trace(core, features, ClientRequest { from, opcode, frame, trace: None });
        }
        Err(error) => {
            // Here the frame's end is known: it is its contents that are too long.
            if !error.is_fatal() || matches!(error, WireError::BodyTooLong { .. }) {
                return core.refuse(from, kind, error.code(), &explained(core, &error));
            }
            core.tally.on_ended(kind, Outcome::Refused);
            break_off(core, client, &error);
        }
    }
}

/// Whether a client may ask for this in its phase.
#[inline]
fn allows(client: &Client, opcode: Opcode) -> bool {
    match client.session.phase {
        Phase::Refused => false,
        Phase::Fresh => matches!(opcode, Opcode::Startup | Opcode::Options),
        Phase::Authenticating => opcode == Opcode::AuthResponse && client.login.is_none(),
        Phase::Ready | Phase::Closing => matches!(
            opcode,
            Opcode::Query
                | Opcode::Prepare
                | Opcode::Execute
                | Opcode::Batch
                | Opcode::Options
                | Opcode::Register
                | Opcode::Startup
                | Opcode::AuthResponse
        ),
    }
}

/// Refuses a request that its client may not make in its phase.
#[cold]
fn refuse_opcode(core: &mut Core, from: ClientStream, kind: RequestKind, byte: u8) {
    let Some(client) = core.clients.get(from.client) else { return };
    let text = match client.session.phase {
        Phase::Refused => {
            let text = newcomers::refusal(core, from.client);
            core.refuse(from, kind, ErrorCode::OVERLOADED, &text);
            return core.close_after_flush(from.client);
        }
        Phase::Fresh => format!("Unexpected message {byte}, expecting STARTUP or OPTIONS"),
        Phase::Authenticating => format!("Unexpected message {byte}, expecting SASL_RESPONSE"),
        Phase::Ready | Phase::Closing => format!("Unknown opcode {byte}"),
    };
    core.refuse(from, kind, ErrorCode::PROTOCOL_ERROR, &text);
}

#[inline]
fn serve_or_trace(core: &mut Core, features: &mut Features, mut request: ClientRequest<'_>) {
    if request.frame.first() == Some(&3) {
        let opcode = request.opcode;
        v3::upgrade(opcode, request.body_mut());
    }
    let waits = local_traces::is_wanted(&request)
        && local_requests::answers(core, &request)
        && features.local_traces.ask(core, &request);
    if !waits {
        serve(core, features, request);
    }
}

/// Serves the frames that a client sent behind its `USE`, unless it is closed meanwhile.
pub(crate) fn resume(
    core: &mut Core,
    features: &mut Features,
    client: ClientKey,
    frames: &mut [u8],
) {
    let mut rest = frames;
    while let Some(header) = Header::peek(rest) {
        if is_closing(core, client) {
            return abandon(core, rest);
        }
        let len = HEADER_LEN + usize::try_from(header.body_len).unwrap_or(usize::MAX);
        let Some((frame, behind)) = rest.split_at_mut_checked(len) else { break };
        on_frame(core, features, client, frame);
        rest = behind;
    }
    core.resume_if_possible(client);
}

/// Counts the whole frames of a client that is closed before they were served.
pub(crate) fn abandon(core: &mut Core, frames: &[u8]) {
    let mut rest = frames;
    while let Some(header) = Header::peek(rest) {
        let len = HEADER_LEN + usize::try_from(header.body_len).unwrap_or(usize::MAX);
        let Some(behind) = rest.get(len..) else { break };
        let kind = Opcode::from_byte(header.opcode).map_or(RequestKind::Session, RequestKind::of);
        core.tally.on_received(kind);
        core.tally.on_ended(kind, Outcome::Abandoned);
        rest = behind;
    }
}

/// Serves a request that has waited for a trace.
pub(crate) fn serve_traced(core: &mut Core, features: &mut Features, request: TracedRequest) {
    let TracedRequest { from, opcode, mut frame, trace } = request;
    if core.clients.get(from.client).is_none() {
        return core.tally.on_request_ended(opcode, Outcome::Abandoned);
    }
    core.leave(from.client);
    // A `USE` that was answered meanwhile can make an unqualified table the cluster's.
    serve(core, features, ClientRequest { from, opcode, frame: &mut frame, trace });
}

#[inline]
fn serve(core: &mut Core, features: &mut Features, mut request: ClientRequest<'_>) {
    match request.opcode {
        Opcode::Execute => route::on_execute(core, features, &mut request),
        Opcode::Query => route::on_query(core, features, &request),
        Opcode::Prepare => route::on_prepare(core, features, &request),
        Opcode::Batch => route::on_batch(core, features, &request),
        Opcode::AuthResponse => {
            logins::on_auth_response(core, &request);
            // It holds a password, and the buffer lives on.
            request.frame.zeroize();
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
        | Opcode::AuthSuccess => {
            let class = features.logins.authenticator().map(|class| &**class);
            features.local.on_session_message(core, &request, class);
        }
    }
}

fn refuse_version(core: &mut Core, client: ClientKey, version: u8) {
    if is_newer(version) {
        core.tally.clients_newer += 1;
    } else {
        core.tally.clients_broken += 1;
    }
    if let Some(entry) = core.clients.get_mut(client) {
        entry.session.send_plain(|out| refusal::write_version_refusal(out, version));
    }
    core.close_after_flush(client);
}

fn refuse_version_change(core: &mut Core, client: ClientKey, version: u8) {
    core.tally.clients_broken += 1;
    if let Some(entry) = core.clients.get_mut(client) {
        let own = entry.session.version.unwrap_or(4);
        entry.session.send_plain(|out| refusal::write_version_change(out, own, version));
    }
    core.close_after_flush(client);
}

/// Sends a client what is wrong with its bytes, and closes it. As from ScyllaDB, the ERROR
/// has stream 0 and is not compressed.
fn break_off(core: &mut Core, client: ClientKey, error: &WireError) {
    core.tally.clients_broken += 1;
    let text = explained(core, error);
    if let Some(entry) = core.clients.get_mut(client) {
        let version = entry.session.response_version();
        entry.session.send_plain(|out| error::write_error(out, version, 0, error.code(), &text));
    }
    core.close_after_flush(client);
}

/// Raises the limit of a frame's length when an authenticated client sends its first large one;
/// `false` when it may not be raised.
#[cold]
fn allows_more(core: &Core, chunk: &mut ClientChunk<'_>, error: &WireError) -> bool {
    let &WireError::BodyTooLong { len_max, .. } = error else { return false };
    let all = core.settings.limits.frame_body_bytes_max;
    let served = |entry: &Client| entry.session.phase == Phase::Ready;
    if len_max >= all || !core.clients.get(chunk.client).is_some_and(served) {
        return false;
    }
    chunk.decoder.allow(all);
    true
}

/// The text of an ERROR about a client's bytes. It names the server that set the limit, and the
/// setting.
fn explained(core: &Core, error: &WireError) -> String {
    let &WireError::BodyTooLong { len_max, .. } = error else { return error.to_string() };
    if len_max < core.settings.limits.frame_body_bytes_max {
        format!("{error} for clients that have not logged in to shardlane")
    } else {
        format!("{error}, which is {} of shardlane", KEYS.frame_body_bytes_max)
    }
}

/// Refuses a request that is too long on its own stream and skips its bytes, so that the client's
/// other requests go on. `false` when the client has to be closed.
fn skips(core: &mut Core, chunk: &mut ClientChunk<'_>, error: &WireError) -> bool {
    let &WireError::BodyTooLong { len, .. } = error else { return false };
    let client = chunk.client;
    let Some(entry) = core.clients.get_mut(client) else { return false };
    if entry.session.phase != Phase::Ready || len > SKIPPED_BYTES_MAX {
        return false;
    }
    let Some(header) = chunk.decoder.pass_over(&mut chunk.rest) else { return false };
    entry.skipping_until_us = Some(core.now_us + SKIPPING_US_MAX);
    let kind = Opcode::from_byte(header.opcode).map_or(RequestKind::Session, RequestKind::of);
    core.tally.on_received(kind);
    let from = ClientStream { client, stream: header.stream };
    core.refuse(from, kind, error.code(), &explained(core, error));
    true
}

/// Closes a client that takes too long over a request that is skipped.
pub(crate) fn expire_skipping(core: &mut Core, client: ClientKey) {
    let now_us = core.now_us;
    let Some(entry) = core.clients.get_mut(client) else { return };
    if entry.session.decoder.passing() == 0 {
        entry.skipping_until_us = None;
    } else if entry.skipping_until_us.is_some_and(|until_us| until_us <= now_us) {
        entry.skipping_until_us = None;
        core.tally.clients_broken += 1;
        core.close_after_flush(client);
    }
}

/// Whether a first byte is a version that drivers try before they step down to one that is spoken
/// here: 5 and 6, and DataStax's own 1 and 2 with bit 6.
fn is_newer(version: u8) -> bool {
    matches!(version, 5 | 6 | 0x41 | 0x42)
}
