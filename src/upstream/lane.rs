//! One lane: what is in flight to one shard, and the bytes on their way there.

use crate::collections::outbox::Outbox;
use crate::topology::id::NodeId;
use crate::topology::tablet::Replica;
use crate::upstream::stream_ids::StreamIds;
use cql::compression::Compression;
use cql::decoder::FrameDecoder;
use cql::header::RESPONSE;
use cql::token::shard::ShardId;

/// Number of a pool: the lanes of one credential and one keyspace, or of none.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PoolId(pub u16);

impl PoolId {
    /// The plain lanes with the proxy's own rights, for clients that need no login.
    pub const PLAIN: Self = Self(0);
    /// The empty pool, for clients without a valid login.
    pub const NOWHERE: Self = Self(u16::MAX);
}

/// The protocol that is spoken with nodes: the version byte of every request on a lane.
pub const LANE_VERSION: u8 = 4;

/// The version byte of every response on a lane.
pub const LANE_RESPONSE: u8 = RESPONSE | LANE_VERSION;

/// Longest response body: the protocol's own limit (v4 section 2.5). A lane is shared, so the
/// long answer to one client must not close it.
pub const RESPONSE_BODY_BYTES_MAX: u32 = 256 << 20;

/// Where a lane leads, and what its server agreed to.
#[derive(Clone, Copy, Debug)]
pub struct LaneRoute {
    /// The node it is connected to.
    pub node: NodeId,
    /// The shard that its SUPPORTED named.
    pub shard: ShardId,
    /// Its pool.
    pub pool: PoolId,
    /// Bit of the bind metadata flags that marks a light-weight transaction; 0 when not agreed.
    pub lwt_mask: u32,
    /// Whether prepared statements and rows name their result metadata by an id.
    pub metadata_ids: bool,
    /// Whether its server is Apache Cassandra: it cares in which keyspace a statement without one is
    /// run, and takes custom payloads of requests.
    pub is_cassandra: bool,
    /// How bodies are compressed; each frame's flag says whether its own is.
    pub compression: Option<Compression>,
}

impl LaneRoute {
    /// The shard to which it leads.
    #[must_use]
    pub fn place(&self) -> Replica {
        Replica { node: self.node, shard: self.shard }
    }
}

/// How long a lane still lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LaneLife {
    /// It takes requests.
    Open,
    /// It takes nothing new, and closes when its last answer is there.
    Draining,
    /// Its server broke the protocol: nothing that still comes is believed, and it closes at once.
    Broken,
}

/// How much waits on a lane for its socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backlog {
    /// Less than the high mark.
    Usual,
    /// More than the high mark; until it is down to the low one.
    Full,
    /// It is full, and its node neither takes nor sends anything: requests pass it over.
    Stalled,
}

/// A connection to one shard; `W` is who waits for an answer.
#[derive(Debug)]
pub struct Lane<W> {
    /// Where it leads.
    pub route: LaneRoute,
    /// The plain lanes with the same rights: only clients with this base pool may send on it.
    pub base: PoolId,
    /// Requests in flight.
    pub ids: StreamIds<W>,
    /// Bytes on their way to the shard.
    pub outbox: Outbox,
    /// Answers, cut into frames.
    pub decoder: FrameDecoder,
    /// Bytes of requests that are kept for sending again.
    pub retained_bytes: usize,
    /// Whether it is on the list of lanes with something to send.
    pub touched: bool,
    /// How long it still lives.
    pub life: LaneLife,
    /// How much waits in its outbox.
    pub backlog: Backlog,
    /// Requests of clients that it has carried.
    pub requests: u64,
    /// Of those, the ones that were answered.
    pub answered: u64,
    /// How long these waited, from their arrival here, all together, µs.
    pub waited_us: u64,
    /// When a client's request was last sent on it, µs.
    pub used_us: u64,
    /// When anything was last heard on it, µs.
    pub heard_us: u64,
    /// When it was last asked for a sign of life, µs.
    pub asked_us: Option<u64>,
}

impl<W> Lane<W> {
    /// A lane with nothing in flight and at most `streams_max` requests at a time.
    #[must_use]
    pub fn new(route: LaneRoute, streams_max: u16) -> Self {
        Self {
            route,
            base: PoolId::NOWHERE,
            ids: StreamIds::new(streams_max),
            outbox: Outbox::default(),
            decoder: FrameDecoder::new([LANE_RESPONSE; 2], RESPONSE_BODY_BYTES_MAX),
            retained_bytes: 0,
            touched: false,
            life: LaneLife::Open,
            backlog: Backlog::Usual,
            requests: 0,
            answered: 0,
            waited_us: 0,
            used_us: 0,
            heard_us: 0,
            asked_us: None,
        }
    }

    /// Whether it takes nothing new and all its answers are there: it is to be closed.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.life != LaneLife::Open && !self.is_awaited()
    }

    /// Whether a request still waits for an answer on it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.ids.in_flight() > self.ids.orphaned()
    }

    /// Requests in flight, by which lanes are compared; `None` when it takes no more.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Option<usize> {
        let passed_over = self.life != LaneLife::Open || self.backlog == Backlog::Stalled;
        if passed_over || self.ids.is_full() { None } else { Some(self.ids.in_flight()) }
    }
}
