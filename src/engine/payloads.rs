//! Custom payloads of a client's requests in flight, kept aside so that every reader finds the message
//! where it always is. They go in front of it again on lanes whose servers take them.

use std::collections::BTreeSet;

/// Bytes of the payloads that one client may have in flight.
pub(crate) const BYTES_MAX: usize = 64 << 10;
/// How many there may be: more than a client has requests in flight by default, and so few that one is soon
/// found among them.
pub(crate) const COUNT_MAX: usize = 2048;
/// What each takes besides its bytes, roughly.
const EACH_BYTES: usize = 48;

/// The custom payloads of one client.
#[derive(Debug, Default)]
pub struct Payloads {
    /// By the client's stream id: bytes maps, as they came.
    kept: Vec<(i16, Box<[u8]>)>,
    /// Bytes of all.
    bytes: usize,
}

impl Payloads {
    /// Keeps the payload of a request; `false` when there is no room.
    pub(crate) fn keep(&mut self, stream: i16, payload: &[u8]) -> bool {
        let has_room = self.bytes + payload.len() <= BYTES_MAX && self.kept.len() < COUNT_MAX;
        if has_room {
            self.bytes += payload.len();
            self.kept.push((stream, payload.into()));
        }
        has_room
    }

    /// The payload of the request on a stream, if it has one.
    #[inline]
    pub(crate) fn of(&self, stream: i16) -> Option<&[u8]> {
        self.kept.iter().find(|(of, _)| *of == stream).map(|(_, payload)| &**payload)
    }

    /// Keeps those of requests that are in flight, by their streams: others are answered.
    pub(crate) fn retain(&mut self, in_flight: &BTreeSet<i16>) {
        self.kept.retain(|(of, _)| in_flight.contains(of));
        self.bytes = self.kept.iter().map(|(_, payload)| payload.len()).sum();
    }

    /// The client begins another request on a stream: what its last one carried is forgotten.
    #[inline]
    pub(crate) fn forget(&mut self, stream: i16) {
        if !self.kept.is_empty() {
            self.kept.retain(|(of, _)| *of != stream);
            self.bytes = self.kept.iter().map(|(_, payload)| payload.len()).sum();
        }
    }

    /// Bytes that they take.
    pub(crate) fn memory_len(&self) -> usize {
        self.bytes + self.kept.len() * EACH_BYTES
    }

    /// Nothing of the client is in flight.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
