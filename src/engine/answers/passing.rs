//! Large answers: written to the client's socket where they lie, without a copy.
//!
//! Small ones are copied to the client's outbox, so that many leave in one write. A copy costs in
//! proportion to its length, a write does not, so beyond some length a write of its own is cheaper.

use std::mem;

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::pending::{Pending, Purpose};
use crate::engine::tally::Outcome;
use cql::frame::patch_stream;
use cql::header::FLAG_COMPRESSED;
use cql::opcode::Opcode;

/// Shortest frame that is not copied; docs/performance.md has the measurement.
pub(in crate::engine) const LARGE_BYTES: usize = 24 << 10;

/// What becomes of a large frame of a lane.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) enum Large {
    /// There is none, or it is not to be passed on as it is.
    #[default]
    No,
    /// Nobody has looked at it yet.
    Unread,
    /// It goes to this client, on its stream.
    For { client: ClientKey, stream: i16, opcode: Opcode, outcome: Outcome },
}

impl Engine {
    /// Takes note that a lane's frame is large.
    pub(in crate::engine) fn note_large(&mut self, frame: &[u8]) {
        let packed = frame.get(1).is_none_or(|flags| flags & FLAG_COMPRESSED != 0);
        self.large = if packed { Large::No } else { Large::Unread };
    }

    /// Whether the answer, whose frame is large, can go to its client as it is: nothing waits
    /// before it, and nothing of it is to be changed but the stream id.
    pub(in crate::engine) fn passes_on(
        &mut self,
        (client, stream, purpose): (ClientKey, i16, Purpose),
        (pending, outcome): (&Pending, Outcome),
        is_whole: bool,
    ) -> bool {
        let Some(entry) = self.clients.get(client) else { return false };
        let session = &entry.session;
        let as_it_is = is_whole
            && purpose == Purpose::Forward
            && session.version == Some(4)
            && session.compression.is_none()
            && session.outbox.waiting_len() == 0
            && !entry.disconnected;
        if as_it_is {
            self.tally.latency.record(self.now_us.saturating_sub(pending.arrived_us));
            self.large = Large::For { client, stream, opcode: pending.opcode, outcome };
        }
        as_it_is
    }

    /// Hands a large frame to the client that it is for. `pass` writes it and tells how much the
    /// socket took; the rest is copied.
    pub(in crate::engine) fn pass_on(
        &mut self,
        frame: &mut [u8],
        pass: &mut impl FnMut(ClientKey, &[u8]) -> usize,
    ) {
        let Large::For { client, stream, opcode, outcome } = mem::take(&mut self.large) else {
            return;
        };
        patch_stream(frame, stream);
        let taken = pass(client, frame);
        if let Some(entry) = self.clients.get_mut(client) {
            let rest = frame.get(taken..).unwrap_or_default();
            entry.session.outbox.end().extend_from_slice(rest);
        }
        self.after_delivery(client, opcode, outcome);
    }
}
