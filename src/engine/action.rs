//! What the engine wants done outside: it does no I/O of its own.

use std::sync::Arc;

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::facade::console::table::ConsoleTable;
use crate::routing::statement::Statement;
use crate::session::sasl::SaslToken;
use crate::topology::id::{HostId, NodeId};
use crate::upstream::lane::PoolId;
use cql::token::shard::ShardId;

/// One thing that the engine wants next.
#[derive(Debug)]
pub enum Output {
    /// Something else than bytes.
    Action(Action),
    /// A lane has something to send: [`Engine::lane_output`].
    ///
    /// [`Engine::lane_output`]: crate::engine::engine::Engine::lane_output
    LaneBytes(LaneKey),
    /// A client has something to be sent: [`Engine::client_output`].
    ///
    /// [`Engine::client_output`]: crate::engine::engine::Engine::client_output
    ClientBytes(ClientKey),
}

/// Something for the shell to do.
#[derive(Debug)]
pub enum Action {
    /// Open lanes that say `USE` of this keyspace, one to each node.
    OpenPool {
        /// The id of the pool.
        pool: PoolId,
        /// The keyspace, as the server spells it.
        keyspace: Arc<str>,
    },
    /// Close the lanes of a keyspace, or of a credential, that is not used any more.
    ClosePool(PoolId),
    /// Ask the cluster whether it accepts a client's login, and report by `on_verdict`.
    LogIn {
        /// The client.
        client: ClientKey,
        /// What it sent.
        token: SaslToken,
    },
    /// Close a lane and open another in its place.
    CloseLane(LaneKey),
    /// Close a lane that was not used for long, and open no other before a request asks for it.
    CloseUnused(LaneKey),
    /// Open a lane that a request asked for, where lanes are opened on demand.
    OpenLane {
        /// The pool of the lane.
        pool: PoolId,
        /// To which node.
        node: NodeId,
        /// To which of its shards.
        shard: ShardId,
    },
    /// Close a client once its outbox is empty.
    CloseClient(ClientKey),
    /// Read a client again that was not to be read for a while.
    ResumeClient(ClientKey),
    /// Send the other workers what was learned.
    ToOtherWorkers(PeerMessage),
    /// Read the topology again: a host was named that is not known.
    RefreshTopology,
    /// Read what the cluster's own tables say of one table. A request that is lost is made again by
    /// the engine, later.
    ReadTable(TableRequest),
    /// Collect the rows of a table of the console from all workers, and report by `on_console`.
    CollectConsole(ConsoleTable),
    /// Log that the bound of a setting was met, and something refused for it.
    BoundMet {
        /// The setting's key.
        setting: &'static str,
        /// Its value, in its own unit.
        value: u64,
        /// Times that it was met since the last line.
        left_out: u64,
    },
}

/// What is to be read of one table.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TableRequest {
    /// The table's keyspace.
    pub keyspace: Arc<str>,
    /// The table or view.
    pub table: Arc<str>,
    /// What is wanted of it.
    pub wanted: TableFact,
}

/// What the cluster's own tables say of a table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TableFact {
    /// Its partition key, reported by `on_table_key`.
    Key,
    /// Its tablets, reported by `on_tablets_read`.
    Tablets,
}

/// What one worker learned, for the others.
#[derive(Clone, Debug)]
pub enum PeerMessage {
    /// A tablet, as the server reported it. If that is lost it costs one extra hop.
    Tablet(Arc<LearnedTablet>),
    /// A statement that a client prepared.
    Statement(Arc<Statement>),
    /// A statement that could not be passed on: clients may hold columns that are not known here.
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
