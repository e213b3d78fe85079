//! Why a connection to a node could not be opened.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use thiserror::Error as ThisError;

use crate::pool::connection::NodeError;
use crate::topology::id::HostId;
use cql::error::WireError;
use cql::token::shard::ShardId;

/// Why a try to connect failed, or a connection broke. None of them holds or shows a credential.
#[derive(Debug, ThisError)]
pub enum DialError {
    /// TCP did not connect.
    #[error("cannot connect")]
    Connect {
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// The connection broke during the handshake.
    #[error("connection broke during {step}")]
    Broken {
        /// What was being done.
        step: DialStep,
        /// What the kernel says; `UnexpectedEof` when the node closed.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("no answer within {timeout_ms} ms during {step}")]
    Timeout {
        /// What was being done.
        step: DialStep,
        /// The limit that passed.
        timeout_ms: u64,
    },
    /// Every source port that was tried is taken.
    #[error("no free source port for shard {} in {tried} tries", shard.0)]
    SourcePorts {
        /// The shard that the ports lead to.
        shard: ShardId,
        /// Ports that were tried.
        tried: usize,
        /// What the kernel said to the last one.
        #[source]
        source: io::Error,
    },
    /// The answer of the node is not the protocol.
    #[error("malformed answer during {step}")]
    Malformed {
        /// What was being done.
        step: DialStep,
        /// What is wrong with it.
        #[source]
        source: WireError,
    },
    /// The node answers with a message that does not belong here.
    #[error("unexpected answer with opcode {opcode:#04x} during {step}")]
    Unexpected {
        /// What was being done.
        step: DialStep,
        /// Opcode of the answer.
        opcode: u8,
    },
    /// The node wants a credential and there is none.
    #[error("the node asks for a login ({authenticator}), but there is no credential")]
    CredentialMissing {
        /// Class name of its authenticator.
        authenticator: String,
    },
    /// The node answers with an ERROR.
    #[error("{0} (during {1})")]
    Refused(NodeError, DialStep),
    /// TLS could not be set up, for a reason that is known.
    #[error("TLS failed: {reason}; {hint}")]
    Tls {
        /// What went wrong.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The node answers a plain connection with an alert of TLS.
    #[error("the node expects TLS (during {step})")]
    TlsAlert {
        /// What was being done.
        step: DialStep,
    },
    /// Another node has taken over the address.
    #[error("host {found} answers, expected {expected}")]
    OtherHost {
        /// The host that was dialled.
        expected: HostId,
        /// The host that answers.
        found: HostId,
    },
}

/// What went wrong with a connection, and where it led: an operator has to know both.
#[derive(Debug)]
pub struct DialErrorAt {
    /// The address that was dialled.
    pub address: SocketAddr,
    /// What went wrong.
    pub error: DialError,
}

impl fmt::Display for DialErrorAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

impl Error for DialErrorAt {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl DialError {
    /// The error of a connection to `address`.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> DialErrorAt {
        DialErrorAt { address, error: self }
    }

    /// What the server itself said, to be passed to a client as it is.
    #[must_use]
    pub fn server_error(&self) -> Option<&NodeError> {
        if let Self::Refused(error, _) = self { Some(error) } else { None }
    }
}

/// Steps of a handshake with a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DialStep {
    /// TCP.
    Connect,
    /// TLS.
    Tls,
    /// OPTIONS → SUPPORTED.
    Options,
    /// STARTUP → READY or AUTHENTICATE.
    Startup,
    /// AUTH_RESPONSE → AUTH_SUCCESS.
    Login,
    /// USE.
    Use,
    /// REGISTER.
    Register,
    /// A question to a system table.
    Query,
    /// Waiting for events.
    Event,
}

impl fmt::Display for DialStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Tls => "the TLS handshake",
            Self::Options => "OPTIONS",
            Self::Startup => "STARTUP",
            Self::Login => "login",
            Self::Use => "USE",
            Self::Register => "REGISTER",
            Self::Query => "query",
            Self::Event => "EVENT",
        })
    }
}
