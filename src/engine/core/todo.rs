//! What an input leaves to be done before it ends: nothing in the engine calls back the way it came.

use crate::engine::client::{ClientKey, ClientStream};
use crate::engine::core::message::TraceId;
use crate::engine::pending::{LaneKey, Outgoing, Pending};
use crate::routing::decision::Reason;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;
use cql::opcode::Opcode;

/// Something that is done at the end of the input, in the order in which it was found.
#[derive(Debug)]
pub(crate) enum Todo {
    /// Route a request once more. Its lane is gone, or its node refused it.
    RouteAgain {
        /// The lanes that it was on: its client may have said `USE` since.
        pool: PoolId,
        /// The request.
        pending: Pending,
        /// The node that refused it, to be used only when there is no other.
        avoided: Option<NodeId>,
    },
    /// Send a request once more on this lane, where its statement was prepared again.
    SendAgain {
        /// The lane.
        lane: LaneKey,
        /// The request.
        pending: Pending,
    },
    /// Send a client's `USE`.
    SendUse(UseRequest),
    /// A client's `USE` has its answer: serve the frames that came after it.
    Resume {
        /// The client.
        client: ClientKey,
        /// Whole frames.
        frames: Vec<u8>,
    },
    /// A client of another process is served from now on, in its keyspace.
    EnterKeyspace(ClientKey),
    /// A client has less under way again: serve what it sent meanwhile.
    ReadHeld(ClientKey),
    /// Serve a request that has waited for a trace.
    ServeTraced(TracedRequest),
    /// The outbox of a lane has passed its high mark because of a client.
    LaneFull {
        /// The lane.
        lane: LaneKey,
        /// The client.
        client: ClientKey,
    },
    /// The number of a pool will stand for another; `instead` has the same rights.
    PoolClosed {
        /// The pool that is closed.
        pool: PoolId,
        /// The plain lanes of the same credential, or none.
        instead: PoolId,
    },
}

/// A client's `USE` on its way.
#[derive(Debug)]
pub(crate) struct UseRequest {
    /// Over which lanes.
    pub(crate) pool: PoolId,
    /// Why there.
    pub(crate) reason: Reason,
    /// The request.
    pub(crate) outgoing: Outgoing,
    /// Its frame.
    pub(crate) frame: Vec<u8>,
}

/// A request that has waited for a trace, and still counts as in flight.
#[derive(Debug)]
pub(crate) struct TracedRequest {
    /// Who asks.
    pub(crate) from: ClientStream,
    /// What it asks.
    pub(crate) opcode: Opcode,
    /// Its frame, with its body as in protocol v4.
    pub(crate) frame: Vec<u8>,
    /// The trace; `None` when no node made one.
    pub(crate) trace: Option<TraceId>,
}
