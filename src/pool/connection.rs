//! What came of dialling a node, as far as pools decide by it: the socket stays with who dialled.

use thiserror::Error;

use crate::pool::pool_key::PoolKey;
use crate::pool::refill::handshake_turns::Whose;
use crate::session::sasl::SaslToken;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;
use cql::compression::Compression;
use cql::error_code::ErrorCode;
use cql::token::shard::{ShardId, Sharder};

/// Names a connection from the order to dial it until it is a lane, or gone. Never given twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DialId(pub u64);

/// What a new connection says, and whose rights it asks for.
#[derive(Clone, Debug)]
pub enum Hello {
    /// It becomes a lane of a pool.
    Lane {
        /// Number of the pool.
        pool: PoolId,
        /// What its lanes have in common.
        key: PoolKey,
    },
    /// A client's own token, to learn whether the cluster takes it. The client answers challenges.
    Login {
        /// The token.
        token: SaslToken,
        /// Whether the cluster took it before, and it has lanes.
        is_known: bool,
    },
    /// A credential that has lanes, to learn whether it is still taken.
    Recheck(PoolKey),
}

impl Hello {
    /// Whose turn it takes to shake hands.
    #[must_use]
    pub fn whose(&self) -> Whose {
        match self {
            Self::Login { is_known: false, .. } => Whose::Unverified,
            Self::Login { is_known: true, .. } | Self::Lane { .. } | Self::Recheck(_) => {
                Whose::Known
            }
        }
    }
}

/// A connection that is ready for requests.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The node at the other end.
    pub node: NodeId,
    /// The shard that SUPPORTED named, whatever was aimed at; 0 on a node without shards.
    pub shard: ShardId,
    /// How the node divides its data; `None` on a node without shards.
    pub sharder: Option<Sharder>,
    /// Bit of the bind metadata flags that marks a light-weight transaction; 0 when not agreed.
    pub lwt_mask: u32,
    /// Whether prepared statements and rows name their result metadata by an id.
    pub metadata_ids: bool,
    /// Whether its server is Apache Cassandra.
    pub is_cassandra: bool,
    /// How bodies are compressed.
    pub compression: Option<Compression>,
    /// The shard-aware port that the node advertises for connections such as this one.
    pub shard_aware_port: Option<u16>,
    /// The message of AUTH_SUCCESS; `None` when the node wanted no login.
    pub success: Option<Vec<u8>>,
}

/// A connection that is ready for requests, and its name.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) id: DialId,
    pub(crate) connection: Connection,
}

/// An ERROR of the server.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("server error {code}: {message}")]
pub struct NodeError {
    /// Code (v4 section 9).
    pub code: ErrorCode,
    /// The server's words.
    pub message: String,
    /// The whole message of the ERROR frame, code included, without tracing id and warnings.
    pub body: Box<[u8]>,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub struct DialFailure {
    /// What pools decide by.
    pub kind: FailureKind,
    /// What went wrong, for people.
    pub reason: String,
    /// What to do about it, for people.
    pub hint: String,
}

/// What a failed try says of the node.
#[derive(Clone, Debug)]
pub enum FailureKind {
    /// The node answered with an ERROR.
    Refused(RefusedStep, NodeError),
    /// No source port was free; the node was not asked.
    NoSourcePort,
    /// Anything else: no answer, a closed port, bytes that are no CQL.
    Broken,
}

/// What a node refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusedStep {
    /// The login.
    Login,
    /// The keyspace.
    Use,
    /// Something else: it is overloaded, or speaks another version.
    Other,
}

/// How ERRORs begin that have the code of bad credentials and mean that the node could not read its
/// own tables of roles. Cassandra's words, then ScyllaDB's.
const EXCUSES: [&str; 5] = [
    "Unable to perform",
    "Could not verify password",
    "Cannot achieve consistency level",
    "Operation timed out",
    "Operation failed",
];

impl DialFailure {
    /// What the server itself said, to be passed to a client as it is.
    #[must_use]
    pub fn server_error(&self) -> Option<&NodeError> {
        match &self.kind {
            FailureKind::Refused(_, error) => Some(error),
            FailureKind::NoSourcePort | FailureKind::Broken => None,
        }
    }

    /// The ERROR that says that the credential is not taken, rather than that this is not known.
    #[must_use]
    pub fn refused_login(&self) -> Option<&NodeError> {
        let FailureKind::Refused(RefusedStep::Login, error) = &self.kind else { return None };
        let is_excuse = EXCUSES.iter().any(|begin| error.message.starts_with(begin));
        (error.code == ErrorCode::BAD_CREDENTIALS && !is_excuse).then_some(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_cannot_read_its_roles_has_refused_no_login() {
        let says = |code, message: &str| {
            let error = NodeError { code, message: message.to_owned(), body: [].into() };
            let kind = FailureKind::Refused(RefusedStep::Login, error);
            DialFailure { kind, reason: String::new(), hint: String::new() }
                .refused_login()
                .is_some()
        };
        for message in [
            "Username and/or password are incorrect",
            "Provided username bob and/or password are incorrect",
            "bob is not permitted to log in",
        ] {
            assert!(says(ErrorCode::BAD_CREDENTIALS, message), "{message}");
            assert!(!says(ErrorCode::SERVER_ERROR, message), "{message}");
        }
        let excuse = "Unable to perform authentication: Cannot achieve consistency level QUORUM";
        assert!(!says(ErrorCode::BAD_CREDENTIALS, excuse));
    }
}
