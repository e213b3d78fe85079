//! Why the cluster cannot be watched.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use thiserror::Error as ThisError;

use crate::connect::dial_error::DialErrorAt;
use crate::topology::id::HostId;
use cql::error::WireError;

/// What went wrong with the watching connection.
#[derive(Debug, ThisError)]
pub enum ControlError {
    /// A contact point that cannot be one.
    #[error("contact point `{text}` is not HOST, HOST:PORT, ADDRESS or [ADDRESS]:PORT")]
    ContactPoint {
        /// As it was written.
        text: String,
    },
    /// A name that leads nowhere.
    #[error("cannot resolve {name}")]
    Resolve {
        /// Host and port.
        name: String,
        /// What the resolver says.
        #[source]
        source: io::Error,
    },
    /// No answer of the resolver in time.
    #[error("cannot resolve {name} within {timeout_ms} ms")]
    ResolveTimeout {
        /// Host and port.
        name: String,
        /// The limit that passed.
        timeout_ms: u64,
    },
    /// A name without addresses.
    #[error("{name} has no address")]
    NoAddress {
        /// Host and port.
        name: String,
    },
    /// The connection did not come about, or broke, or was refused something.
    #[error(transparent)]
    Dial(#[from] DialErrorAt),
    /// A cell of a system table that cannot be read.
    #[error("malformed {column} in {table}")]
    Cell {
        /// The table.
        table: &'static str,
        /// Its column.
        column: &'static str,
        /// What is wrong with it.
        #[source]
        source: WireError,
    },
    /// The node does not describe itself, as happens while it joins.
    #[error("system.local lacks {column}")]
    LocalRow {
        /// The column that is null; `key` when there is no row.
        column: &'static str,
    },
    /// The node belongs to another cluster than the one that is watched.
    #[error("{address} is in cluster '{found}', {known} in cluster '{expected}'")]
    OtherCluster {
        /// Where it answers.
        address: SocketAddr,
        /// Its cluster.
        found: String,
        /// The cluster of the first node that answered.
        expected: String,
        /// Where that node answered.
        known: SocketAddr,
    },
    /// A node of a cluster of the same name, which does not count it among its own.
    #[error("{address} is host {host}, which {known} does not know of in its cluster")]
    UnknownHost {
        /// Where it answers.
        address: SocketAddr,
        /// Who it is.
        host: HostId,
        /// Where the first node answered.
        known: SocketAddr,
    },
    /// We would talk to ourselves.
    #[error("{address} is where this shardlane itself listens, not a node")]
    OwnListener {
        /// Where that is.
        address: SocketAddr,
    },
    /// Another proxy, whose cluster cannot be seen through it.
    #[error("{address} is a shardlane itself (version {version}), not a node")]
    Shardlane {
        /// Where it answers.
        address: SocketAddr,
        /// What it is.
        version: String,
    },
    /// The node wants a login, and no client has logged in yet whose login could be borrowed.
    #[error("the node asks for a login ({authenticator}); waiting for a client's")]
    LoginWanted {
        /// Class name of its authenticator.
        authenticator: String,
        /// Where it answered.
        address: SocketAddr,
    },
    /// No contact point and no known node could be reached.
    #[error("no node can be reached: {}", list(.0))]
    Unreachable(Vec<(String, Self)>),
}

impl ControlError {
    /// The authenticators of the nodes that want a login, and where they are.
    #[must_use]
    pub fn logins_wanted(&self) -> Vec<(&str, SocketAddr)> {
        match self {
            Self::LoginWanted { authenticator, address } => vec![(authenticator, *address)],
            Self::Unreachable(failures) => {
                failures.iter().flat_map(|(_, error)| error.logins_wanted()).collect()
            }
            Self::ContactPoint { .. }
            | Self::Resolve { .. }
            | Self::ResolveTimeout { .. }
            | Self::NoAddress { .. }
            | Self::Dial(_)
            | Self::Cell { .. }
            | Self::LocalRow { .. }
            | Self::OtherCluster { .. }
            | Self::UnknownHost { .. }
            | Self::OwnListener { .. }
            | Self::Shardlane { .. } => Vec::new(),
        }
    }

    /// Whether every contact point leads to this proxy or another one: waiting does not help then.
    #[must_use]
    pub fn is_loop(&self) -> bool {
        match self {
            Self::OwnListener { .. } | Self::Shardlane { .. } => true,
            Self::Unreachable(failures) => {
                !failures.is_empty() && failures.iter().all(|(_, error)| error.is_loop())
            }
            Self::ContactPoint { .. }
            | Self::Resolve { .. }
            | Self::ResolveTimeout { .. }
            | Self::NoAddress { .. }
            | Self::Dial(_)
            | Self::Cell { .. }
            | Self::LocalRow { .. }
            | Self::LoginWanted { .. }
            | Self::OtherCluster { .. }
            | Self::UnknownHost { .. } => false,
        }
    }
}

/// An error with all that caused it, on one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What went wrong at a place, with all that caused it. An address is named once.
#[must_use]
pub fn at_place(place: &str, error: &ControlError) -> String {
    if let ControlError::Dial(failed) = error
        && place.contains(&failed.address.to_string())
    {
        return format!("{place}: {}", chain(&failed.error));
    }
    format!("{place}: {}", chain(error))
}

fn list(failures: &[(String, ControlError)]) -> impl fmt::Display {
    let lines: Vec<String> = failures.iter().map(|(place, error)| at_place(place, error)).collect();
    if lines.is_empty() { "none is known".to_owned() } else { lines.join("; ") }
}
