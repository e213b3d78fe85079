//! What the engine wants done outside: it does no I/O of its own.

use std::sync::Arc;

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::routing::statement::Statement;
use crate::session::sasl::SaslToken;
use crate::topology::id::{HostId, NodeId};
use crate::upstream::lane::PoolId;
use cql::token::shard::ShardId;

/// Something for the shell to do.
#[derive(Debug)]
pub enum Action {
    /// Open lanes that say `USE` of this keyspace, one to each node.
    OpenPool {
        /// The number that the lanes go by.
        pool: PoolId,
        /// The keyspace, as the server spells it.
        keyspace: Arc<str>,
    },
    /// Close the lanes of a keyspace, or of a credential, that nobody uses any more.
    ClosePool(PoolId),
    /// Ask the cluster whether it takes a client's login, and tell by `on_verdict`.
    LogIn {
        /// Who.
        client: ClientKey,
        /// What it sent.
        token: SaslToken,
    },
    /// Close a lane and open another in its place.
    CloseLane(LaneKey),
    /// Close a lane that nobody used for long, and open no other before a request asks for it.
    CloseUnused(LaneKey),
    /// Open a lane that a request asked for, where lanes are opened on demand.
    OpenLane {
        /// Whose lane.
        pool: PoolId,
        /// To which node.
        node: NodeId,
        /// To which of its shards.
        shard: ShardId,
    },
    /// Close a client once its outbox is empty.
    CloseClient(ClientKey),
    /// Read a client again that was told to wait.
    ResumeClient(ClientKey),
    /// Tell the other workers.
    Tell(PeerMessage),
    /// Look at the topology again: a host was named that nobody knows.
    RefreshTopology,
}

/// What one worker learned and the others want to know.
#[derive(Clone, Debug)]
pub enum PeerMessage {
    /// A tablet, as the server reported it. If that is lost it costs one extra hop.
    Tablet(Arc<LearnedTablet>),
    /// A statement that a client prepared.
    Statement(Arc<Statement>),
    /// Some statement that could not be told: clients may hold columns that are not known here.
    StatementsMissed,
}

impl PeerMessage {
    /// Whether it is learned anyhow, by a hop, when this message is lost.
    #[must_use]
    pub fn may_be_lost(&self) -> bool {
        matches!(self, Self::Tablet(_))
    }
}

/// A tablet with its table's name and its hosts' own ids, which every worker understands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LearnedTablet {
    /// Keyspace and table.
    pub table: (Arc<str>, Arc<str>),
    /// Token before the range.
    pub first: i64,
    /// Last token of the range.
    pub last: i64,
    /// Host and shard of each replica.
    pub replicas: Vec<(HostId, u16)>,
}
