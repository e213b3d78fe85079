//! Requests that came compressed or with a custom payload, made plain.

use crate::engine::client::{Client, ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::core::memory::COPIES;
use crate::engine::payloads;
use crate::engine::pending::RequestOrigin;
use cql::error::WireError;
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, FLAG_TRACING, HEADER_LEN, Header};
use cql::opcode::Opcode;
use cql::response::prefix;

/// A request that can be read: neither compressed nor with a custom payload any more.
pub(crate) struct PlainRequest {
    pub(crate) frame: Vec<u8>,
    /// The custom payload that it had, a bytes map; empty when it had none.
    pub(crate) payload: Vec<u8>,
}

/// A compressed request that is not longer than this when it is plain needs no look at memory.
const UNASKED_BYTES_MAX: usize = 64 << 10;

/// The length of a frame's body once it is not compressed any more, as its sender announces it.
fn plain_len(core: &Core, client: ClientKey, header: Header, frame: &[u8]) -> usize {
    let raw = frame.get(HEADER_LEN..).unwrap_or_default();
    let agreed = core.clients.get(client).and_then(|entry| entry.session.compression);
    match agreed.filter(|_| header.flags & FLAG_COMPRESSED != 0) {
        Some(agreed) => agreed.plain_len(raw),
        None => raw.len(),
    }
}

/// Whether a frame has room once it is plain; otherwise the text of its ERROR.
pub(crate) fn make_room(
    core: &mut Core,
    client: ClientKey,
    header: Header,
    frame: &[u8],
) -> Result<(), String> {
    let plain_len = plain_len(core, client, header, frame);
    if plain_len > UNASKED_BYTES_MAX && !core.has_memory_for(plain_len * COPIES) {
        core.tally.memory_refusals += 1;
        core.meets_memory();
        let what = "a compressed request of this length";
        return Err(core.settings.limits.memory_refusal(what));
    }
    core.memory.bring(plain_len);
    Ok(())
}

/// Keeps the custom payload of a request for servers that take it; ScyllaDB misreads it, or passes
/// over it. Where there is no room for it, the text of its ERROR.
pub(crate) fn keep_payload(
    core: &mut Core,
    from: ClientStream,
    opcode: Opcode,
    payload: &[u8],
) -> Result<(), String> {
    let is_passed =
        matches!(opcode, Opcode::Query | Opcode::Prepare | Opcode::Execute | Opcode::Batch);
    if payload.is_empty() || !is_passed || !core.is_cassandra {
        return Ok(());
    }
    let Some(client) = core.clients.get_mut(from.client) else { return Ok(()) };
    if client.in_flight == 0 {
        client.payloads.clear();
    }
    if client.payloads.keep(from.stream, payload) {
        return Ok(());
    }
    forget_answered(core, from.client);
    let client = core.clients.get_mut(from.client);
    if client.is_some_and(|client| client.payloads.keep(from.stream, payload)) {
        return Ok(());
    }
    let (bytes, count) = (payloads::BYTES_MAX, payloads::COUNT_MAX);
    Err(format!(
        "shardlane takes {bytes} bytes and {count} custom payloads of a client's requests in flight"
    ))
}

/// Makes room for a client's payloads: an answer that goes out leaves its request's behind, so that nothing
/// is looked up for those that have none.
#[cold]
fn forget_answered(core: &mut Core, client: ClientKey) {
    let pending = core.lanes.iter().flat_map(|(_, lane)| lane.ids.waiting());
    let origins = pending.map(|(_, pending)| pending.origin);
    let streams = origins.filter_map(|origin| match origin {
        RequestOrigin::Client { to, .. } => (to.client == client).then_some(to.stream),
        RequestOrigin::Internal(_) => None,
    });
    let streams = streams.collect();
    // What waits for something else than an answer is on no lane.
    let waits = |client: &Client| client.aside > 0 || client.switching.is_some();
    if let Some(entry) = core.clients.get_mut(client).filter(|client| !waits(client)) {
        entry.payloads.retain(&streams);
    }
}

/// Undoes compression and cuts a request's custom payload.
pub(crate) fn plain_frame(
    core: &Core,
    client: ClientKey,
    header: Header,
    frame: &[u8],
) -> Result<PlainRequest, WireError> {
    let raw = frame.get(HEADER_LEN..).unwrap_or_default();
    let mut whole = vec![0; HEADER_LEN];
    if header.flags & FLAG_COMPRESSED != 0 {
        let agreed = core.clients.get(client).and_then(|entry| entry.session.compression);
        let agreed = agreed.ok_or(WireError::CompressionUnasked)?;
        agreed.decompress(raw, core.settings.limits.frame_body_bytes_max, &mut whole)?;
    } else {
        whole.extend_from_slice(raw);
    }
    let mut payload = Vec::new();
    if header.flags & FLAG_PAYLOAD != 0 {
        let len = prefix::request_payload_len(whole.get(HEADER_LEN..).unwrap_or_default())?;
        payload.extend(whole.drain(HEADER_LEN..HEADER_LEN + len));
    }
    let body_len = u32::try_from(whole.len() - HEADER_LEN).unwrap_or(u32::MAX);
    let plain = Header { flags: header.flags & FLAG_TRACING, body_len, ..header };
    if let Some(head) = whole.get_mut(..HEADER_LEN) {
        head.copy_from_slice(&plain.to_bytes());
    }
    Ok(PlainRequest { frame: whole, payload })
}
