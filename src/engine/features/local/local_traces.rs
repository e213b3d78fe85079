//! Traced requests that are answered here: a node is asked for the trace, since only a node has one
//! that the client will find in `system_traces`.

use std::collections::HashMap;

use crate::engine::client::ClientStream;
use crate::engine::core::core::Core;
use crate::engine::core::message::{ClientRequest, TraceId};
use crate::engine::core::pool_lanes::Preference;
use crate::engine::core::reply::Response;
use crate::engine::core::todo::{Todo, TracedRequest};
use crate::engine::pending::{InternalRequest, Outgoing};
use crate::routing::decision::Reason;
use cql::consistency::Consistency;
use cql::frame::{FrameHead, write_frame};
use cql::header::FLAG_TRACING;
use cql::notation::{Reader, put_long_string};
use cql::opcode::Opcode;

/// What a node traces in place of the client's request.
const TRACED_QUERY: &str = "SELECT key FROM system.local WHERE key='local'";
/// Longest frame that waits for a trace, bytes; a longer one is answered without.
const FRAME_BYTES_MAX: usize = 128 << 10;

/// Requests that wait for a node's trace. Each counts as in flight of its client, which bounds them.
#[derive(Debug, Default)]
pub(crate) struct LocalTraces {
    /// By the number of the question to the node.
    waiting: HashMap<u64, Waiting>,
    /// The last number given.
    number: u64,
}

#[derive(Debug)]
struct Waiting {
    from: ClientStream,
    opcode: Opcode,
    frame: Vec<u8>,
}

/// Whether a client wants a request traced, and the request is short enough to wait for that.
#[inline]
pub(crate) fn is_wanted(request: &ClientRequest<'_>) -> bool {
    // The second byte of a header has the flags. Every request comes by here: no more of it is read.
    request.frame.get(1).is_some_and(|flags| flags & FLAG_TRACING != 0)
        && request.frame.len() <= FRAME_BYTES_MAX
}

impl LocalTraces {
    /// Asks a node to trace something in place of a request that is answered here. The request
    /// waits for that; `false` when no lane takes the question.
    pub(crate) fn ask(&mut self, core: &mut Core, request: &ClientRequest<'_>) -> bool {
        let from = request.from;
        let Some(base) = core.clients.get(from.client).map(|client| client.base) else {
            return false;
        };
        let number = self.number + 1;
        let (router, lanes) = core.routing(base, Preference::default());
        let Some(decision) = router.anywhere(&lanes, Reason::Text) else { return false };
        let question = InternalRequest::LocalTrace(number);
        let outgoing = Outgoing::internal(question, Opcode::Query, core.now_us);
        if core.send(decision.lane, &outgoing, &traced_query()).is_none() {
            return false;
        }
        if let Some(client) = core.clients.get_mut(from.client) {
            client.in_flight += 1;
        }
        self.number = number;
        let (opcode, frame) = (request.opcode, request.frame.to_vec());
        core.lay_aside(from.client, frame.len());
        self.waiting.insert(number, Waiting { from, opcode, frame });
        true
    }

    /// A node traced something, and says under which id.
    pub(crate) fn on_answer(&mut self, core: &mut Core, number: u64, response: &Response<'_>) {
        let is_traced = response.header.flags & FLAG_TRACING != 0;
        let id = Reader::new(response.body).uuid().ok().filter(|_| is_traced);
        self.on_trace(core, number, id);
    }

    /// A trace is there, or will not come: the request is served at the end of this input.
    pub(crate) fn on_trace(&mut self, core: &mut Core, number: u64, trace: Option<TraceId>) {
        let Some(Waiting { from, opcode, frame }) = self.waiting.remove(&number) else { return };
        core.take_back(from.client, frame.len());
        core.todo.push_back(Todo::ServeTraced(TracedRequest { from, opcode, frame, trace }));
    }
}

/// The frame of a QUERY that makes a trace.
fn traced_query() -> Vec<u8> {
    let head = FrameHead { version: 4, flags: FLAG_TRACING, stream: 0 };
    let mut query = Vec::new();
    write_frame(&mut query, head, Opcode::Query, |out| {
        put_long_string(out, TRACED_QUERY);
        Consistency::One.put(out);
        out.push(0);
    });
    query
}
