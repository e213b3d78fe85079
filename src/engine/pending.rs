//! Requests in flight on a lane: who asked, and what is needed to ask again.

use crate::collections::slab::Key;
use crate::engine::client::ClientKey;
use crate::routing::catalog::StatementKey;
use crate::topology::id::NodeId;
use crate::upstream::lane::Lane;
use crate::upstream::lane::PoolId;
use cql::opcode::Opcode;

/// Names a lane.
pub type LaneKey = Key<Lane<Pending>>;

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    /// Who waits.
    pub origin: Origin,
    /// What was asked.
    pub opcode: Opcode,
    /// Whether it may run twice without harm.
    pub is_read: bool,
    /// How often it was sent again already.
    pub resent: u8,
    /// When the request arrived, µs.
    pub arrived_us: u64,
    /// Position in the lane's outbox after its last byte.
    pub sent_at: u64,
    /// The statement that an EXECUTE runs.
    pub statement: Option<StatementKey>,
    /// The frame, to send it again; empty when it was too long to keep.
    pub frame: Vec<u8>,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A client, by its own stream id.
    Client {
        /// Who.
        client: ClientKey,
        /// Its stream id.
        stream: i16,
        /// What the answer is looked at for.
        purpose: Purpose,
    },
    /// We ourselves.
    InternalRequest(InternalRequest),
}

/// What the answer to a client's request is looked at for, besides delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Nothing special.
    Forward,
    /// A `USE`: on success the client's lanes are those of the pool.
    Use(PoolId),
}

/// What we ask a node for ourselves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InternalRequest {
    /// Prepare a statement that the node forgot; the parked request of this number goes on then.
    Reprepare(u64),
    /// A sign of life.
    Heartbeat,
    /// A trace for the request of this number, which is answered here.
    LocalTrace(u64),
    /// Prepare a statement before it is needed.
    Spread,
    /// The node's schema version, in this round of asking.
    SchemaVersion {
        /// Round of asking.
        round: u64,
        /// Whose.
        node: NodeId,
    },
}
