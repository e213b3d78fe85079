//! Traced requests that are answered here: a node is asked for the trace, since only a node has one
//! that the client will find in `system_traces`.

use std::collections::HashMap;

use crate::engine::client::ClientKey;
use cql::frame::write_frame;
use cql::header::{FLAG_TRACING, HEADER_LEN, Header};
use cql::notation::{put_long_string, put_short};
use cql::opcode::Opcode;

/// What a node traces in place of the client's request.
const TRACED_QUERY: &str = "SELECT key FROM system.local WHERE key='local'";
const CONSISTENCY_ONE: u16 = 1;
/// Longest frame that waits for a trace; a longer one is answered without.
const FRAME_BYTES_MAX: usize = 128 << 10;

/// Who is answered, and how.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Asker {
    pub(in crate::engine) client: ClientKey,
    pub(in crate::engine) stream: i16,
    /// The trace that a node made, when the client asked for one.
    pub(in crate::engine) trace: Option<[u8; 16]>,
}

impl Asker {
    /// Who sent a frame.
    pub(in crate::engine) fn of(client: ClientKey, frame: &[u8]) -> Self {
        Self { client, stream: Header::peek(frame).map_or(0, |head| head.stream), trace: None }
    }
}

/// Requests that wait for a node's trace, by number. Each counts as in flight of its client.
#[derive(Debug, Default)]
pub(in crate::engine) struct LocalTraces {
    waiting: HashMap<u64, (ClientKey, Opcode, Vec<u8>)>,
}

impl LocalTraces {
    /// Keeps a request until its trace is there.
    pub(in crate::engine) fn insert(
        &mut self,
        number: u64,
        client: ClientKey,
        (opcode, frame): (Opcode, &[u8]),
    ) {
        self.waiting.insert(number, (client, opcode, frame.to_vec()));
    }

    /// The request that waited under a number.
    pub(in crate::engine) fn remove(
        &mut self,
        number: u64,
    ) -> Option<(ClientKey, Opcode, Vec<u8>)> {
        self.waiting.remove(&number)
    }
}

/// Whether a client wants a request traced, and can have that.
pub(in crate::engine) fn is_traced(frame: &[u8]) -> bool {
    let is_asked = Header::peek(frame).is_some_and(|header| header.flags & FLAG_TRACING != 0);
    is_asked && frame.len() <= FRAME_BYTES_MAX
}

/// The frame of a QUERY that makes a trace.
pub(in crate::engine) fn traced_query() -> Vec<u8> {
    let mut query = Vec::new();
    write_frame(&mut query, (4, FLAG_TRACING, 0), Opcode::Query, |out| {
        put_long_string(out, TRACED_QUERY);
        put_short(out, CONSISTENCY_ONE);
        out.push(0);
    });
    query
}

/// Puts the id of a trace before the body of a frame.
pub(in crate::engine) fn add_trace(frame: &mut Vec<u8>, id: [u8; 16]) {
    let Some(header) = Header::peek(frame) else { return };
    let body_len = header.body_len + 16;
    let header = Header { flags: header.flags | FLAG_TRACING, body_len, ..header };
    frame.splice(..HEADER_LEN, header.to_bytes().into_iter().chain(id));
}
