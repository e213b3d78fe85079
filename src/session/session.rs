//! One client connection: what it agreed to, and what is on the way to it.

use std::sync::Arc;

use crate::collections::outbox::Outbox;
use cql::compression::Compression;
use cql::decoder::FrameDecoder;

/// Longest body of a client that is not served yet, if longer ones are accepted at all: STARTUP
/// and a login are short, and an unauthenticated client must not be able to exhaust memory.
pub const BODY_BYTES_BEFORE_LOGIN_MAX: u32 = 128 << 10;

/// How far a client has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Before STARTUP.
    Fresh,
    /// Beyond the bound of clients: it is answered by an ERROR whatever it says.
    Refused,
    /// After AUTHENTICATE: nothing is served before the cluster has taken its login.
    Authenticating,
    /// Requests are served.
    Ready,
    /// Nothing more is read; it closes when the outbox is empty.
    Closing,
}

/// Which events a client asked for; others are not sent to it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Subscription {
    /// SCHEMA_CHANGE. The other kinds name nodes that the client must not see.
    pub schema: bool,
}

/// One client connection.
#[derive(Debug)]
pub struct Session {
    /// How far it has come.
    pub phase: Phase,
    /// Protocol version, 3 or 4; `None` before its first frame.
    pub version: Option<u8>,
    /// How bodies towards it are compressed; it may send either.
    pub compression: Option<Compression>,
    /// The keyspace it said `USE` of.
    pub keyspace: Option<Arc<str>>,
    /// Events it asked for.
    pub subscription: Subscription,
    /// What it sent, cut into frames.
    pub decoder: FrameDecoder,
    /// What waits to be sent to it. Only `Session::append` adds to it; large answers alone go past it, when it
    /// is empty.
    outbox: Outbox,
}

impl Session {
    /// A client that has said nothing yet; its decoder is to allow longer bodies once it is served.
    #[must_use]
    pub fn new(body_len_max: u32) -> Self {
        Self {
            phase: Phase::Fresh,
            version: None,
            compression: None,
            keyspace: None,
            subscription: Subscription::default(),
            decoder: FrameDecoder::new([3, 4], body_len_max.min(BODY_BYTES_BEFORE_LOGIN_MAX)),
            outbox: Outbox::default(),
        }
    }

    /// The version byte of answers; 4 before the client's first frame.
    #[inline]
    #[must_use]
    pub fn response_version(&self) -> u8 {
        0x80 | self.version.unwrap_or(4)
    }

    /// Whether the client takes a v4 frame as a node wrote it: neither compressed nor in an older
    /// form.
    #[inline]
    #[must_use]
    pub fn takes_node_frames(&self) -> bool {
        self.version == Some(4) && self.compression.is_none()
    }

    /// Appends a whole response frame, compressed if the client asked for that.
    ///
    /// A frame that cannot be compressed goes out as it is; the flag in its header says so.
    pub fn send(&mut self, frame: &[u8]) {
        let compression = self.compression;
        self.append(|out| {
            let start = out.len();
            let compressed = compression
                .is_some_and(|compression| compression.compress_frame(frame, out).is_ok());
            if !compressed {
                out.truncate(start);
                out.extend_from_slice(frame);
            }
        });
    }

    /// Appends a whole response frame that `write` writes, never compressed.
    #[inline]
    pub fn send_plain(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.append(write);
    }

    /// Appends the rest of a frame whose beginning the client's socket has taken already.
    pub fn send_rest(&mut self, rest: &[u8]) {
        self.append(|out| out.extend_from_slice(rest));
    }

    /// The only way into the outbox.
    #[inline]
    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.outbox.end());
    }

    /// What has not been sent yet.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.outbox.waiting()
    }

    /// Number of bytes that have not been sent yet.
    #[inline]
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.outbox.waiting_len()
    }

    /// Takes note that the socket accepted the first `count` unsent bytes.
    pub fn on_sent(&mut self, count: usize) {
        self.outbox.on_sent(count);
    }

    /// Drops what has not been sent yet.
    pub fn discard_unsent(&mut self) {
        self.outbox.on_sent(usize::MAX);
    }

    /// Bytes of memory that are held for what comes from the client and what goes to it.
    #[must_use]
    pub fn memory_len(&self) -> usize {
        self.outbox.memory_len() + self.decoder.memory_len()
    }

    /// Bytes that the client has taken since the beginning.
    #[must_use]
    pub fn sent_total(&self) -> u64 {
        self.outbox.left_total()
    }

    /// Gives back at once what is not needed.
    pub fn shrink(&mut self) {
        self.outbox.shrink();
        self.decoder.shrink();
    }

    /// Gives back what the client did not use since the last call.
    pub fn shrink_unused(&mut self) {
        self.outbox.shrink_unused();
        self.decoder.shrink_unused();
    }
}
