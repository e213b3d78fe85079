//! Large answers: written to the client's socket where they lie, without a copy.
//!
//! Small ones are copied to the client's outbox, so that many leave in one write. A copy costs in
//! proportion to its length, a write does not, so beyond some length a write of its own is cheaper.

use crate::engine::client::{ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::core::reply::Response;
use crate::engine::pending::{Pending, Purpose, RequestOrigin};
use crate::engine::view::tally::Outcome;
use cql::frame::patch_stream;
use cql::header::FLAG_COMPRESSED;
use cql::opcode::Opcode;

/// Shortest frame that is not copied; docs/performance.md has the measurement.
const LARGE_BYTES: usize = 24 << 10;

/// An answer that goes to its client as the node wrote it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InPlace {
    to: ClientStream,
    opcode: Opcode,
    outcome: Outcome,
}

/// Whether a lane's frame is so long that it should not be copied, and is not compressed.
#[inline]
pub(crate) fn is_large(frame: &[u8]) -> bool {
    frame.len() >= LARGE_BYTES && frame.get(1).is_some_and(|flags| flags & FLAG_COMPRESSED == 0)
}

/// How a large answer goes to its client as it is; `None` if something waits before it, or anything
/// of it but the stream id has to be changed.
pub(crate) fn plan(
    core: &mut Core,
    pending: &Pending,
    outcome: Outcome,
    response: &Response<'_>,
) -> Option<InPlace> {
    let RequestOrigin::Client { to, purpose } = pending.origin else { return None };
    let entry = core.clients.get(to.client)?;
    let session = &entry.session;
    let as_it_is = response.payload.is_empty()
        && purpose == Purpose::Forward
        && session.takes_node_frames()
        && session.unsent_len() == 0
        && !entry.disconnected;
    if !as_it_is {
        return None;
    }
    core.tally.latency.record(core.now_us.saturating_sub(pending.arrived_us));
    Some(InPlace { to, opcode: pending.opcode, outcome })
}

/// Hands a large frame to its client. `write` writes it and returns how many bytes the socket took;
/// the rest is copied.
pub(crate) fn forward(
    core: &mut Core,
    answer: InPlace,
    frame: &mut [u8],
    write: &mut impl FnMut(ClientKey, &[u8]) -> usize,
) {
    let InPlace { to: ClientStream { client, stream }, opcode, outcome } = answer;
    patch_stream(frame, stream);
    let taken = write(client, frame);
    if let Some(entry) = core.clients.get_mut(client) {
        entry.session.send_rest(frame.get(taken..).unwrap_or_default());
    }
    core.finish(client, opcode, outcome, frame.len());
}
