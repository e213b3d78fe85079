//! The state of one client connection.

use std::net::SocketAddr;

use cql::compression::Compression;

/// The number of a connection; numbers are not reused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

/// Which of a node's ports a connection came through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PortKind {
    /// 9042: the shard with the fewest connections.
    Plain,
    /// 19042: the shard of the source port.
    ShardAware,
    /// The PROXY protocol port: the shard of the source port that the header names.
    Proxied,
}

/// The phase of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// No STARTUP yet.
    Fresh,
    /// AUTHENTICATE was sent.
    Authenticating,
    /// READY or AUTH_SUCCESS was sent.
    Ready,
}

impl Phase {
    /// The word in `system.clients.connection_stage`.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fresh => "ESTABLISHED",
            Self::Authenticating => "AUTHENTICATING",
            Self::Ready => "READY",
        }
    }
}

/// Which of the server's extensions STARTUP named; only presence counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Extensions {
    /// TABLETS_ROUTING_V1: answers from a wrong shard carry the tablet.
    pub tablets_v1: bool,
    /// SCYLLA_LWT_ADD_METADATA_MARK: Prepared marks conditional statements.
    pub lwt_mark: bool,
    /// SCYLLA_USE_METADATA_ID: prepared ids come with an id of their result metadata.
    pub metadata_id: bool,
}

/// Events that the client registered for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Registered {
    /// TOPOLOGY_CHANGE.
    pub topology: bool,
    /// STATUS_CHANGE.
    pub status: bool,
    /// SCHEMA_CHANGE.
    pub schema: bool,
    /// CLIENT_ROUTES_CHANGE.
    pub client_routes: bool,
}

/// One client connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The node that it is connected to.
    pub node: usize,
    /// The shard it landed on; it stays there.
    pub shard: u16,
    /// The listener it came through.
    pub kind: PortKind,
    /// The port of that listener: events name it.
    pub port: u16,
    /// The client.
    pub peer: SocketAddr,
    /// 3 or 4, once a frame came.
    pub version: Option<u8>,
    /// Its phase.
    pub phase: Phase,
    /// The compression of answers.
    pub compression: Option<Compression>,
    /// Extensions in STARTUP.
    pub extensions: Extensions,
    /// Events in REGISTER.
    pub registered: Registered,
    /// The keyspace in `USE`.
    pub keyspace: Option<String>,
    /// The role that logged in.
    pub user: Option<String>,
    /// Role and number of a challenge that is not answered yet.
    pub challenge: Option<(String, u64)>,
    /// All pairs of STARTUP.
    pub startup: Vec<(String, String)>,
}

impl Connection {
    /// A new connection, before its first frame.
    #[must_use]
    pub(crate) fn new(
        id: ConnectionId,
        node: usize,
        shard: u16,
        kind: PortKind,
        port: u16,
        peer: SocketAddr,
    ) -> Self {
        Self {
            id,
            node,
            shard,
            kind,
            port,
            peer,
            version: None,
            phase: Phase::Fresh,
            compression: None,
            extensions: Extensions::default(),
            registered: Registered::default(),
            keyspace: None,
            user: None,
            challenge: None,
            startup: Vec::new(),
        }
    }

    /// The version byte of answers.
    #[must_use]
    pub(crate) fn answer_version(&self) -> u8 {
        0x80 | self.version.unwrap_or(4)
    }
}
