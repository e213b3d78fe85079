//! A node's response with the parts of its body separated.

use std::ops::Range;

use crate::collections::outbox::make_room;
use cql::header::{FLAG_PAYLOAD, HEADER_LEN, Header};

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
