//! Why the server could not start, or stopped by itself.

use std::{fmt, io};

use thiserror::Error;

use crate::control::contact::hint;
use crate::control::error::{ControlError, chain};
use crate::listen::listener;
use crate::listen::listener::Bind;
use crate::server::upgrade::succession::WORD_MAX;
use crate::tls::error::TlsError;

/// Why the server could not start.
#[derive(Debug, Error)]
pub(crate) enum ServerError {
    /// An address could not be bound.
    #[error("{setting}: cannot listen at {address}: {error}; {}", listener::hint(address, error))]
    Bind {
        /// Where the address is set.
        setting: &'static str,
        /// The address, or the path of a Unix socket.
        address: Bind,
        /// Why not.
        error: io::Error,
    },
    /// The password file could not be read.
    #[error("cannot read the password file {file}: {error}")]
    Password {
        /// The file.
        file: String,
        /// Why not.
        error: io::Error,
    },
    /// A file for TLS could not be used.
    #[error("TLS is not possible: {0}")]
    Tls(#[from] TlsError),
    /// The contact points are of two clusters, or lead to a shardlane.
    #[error("{}; {}", chain(.0), hint::of_control(.0))]
    ContactPoints(ControlError),
    /// Another process serves, and this one could not take its place.
    #[error(
        "another process serves at upgrade.socket and goes on: this one has no lane to any node, {0}; \
         `shardlane doctor` with these settings says why"
    )]
    NotTakenOver(NoLane),
    /// Another process serves, and it is of a version that hands over otherwise, or of another user.
    #[error(
        "another process serves at {path} and does not hand over to this one: {error}; end it, then start this one: \
         a restart of the service does both"
    )]
    NotHandedOver {
        /// The socket, `upgrade.socket`.
        path: Bind,
        /// Why not.
        error: io::Error,
    },
    /// Another process serves one cluster, and the contact points lead to another.
    #[error(
        "another process serves at upgrade.socket and goes on: its cluster is `{theirs}`, and contact_points of this one lead \
         to `{own}`, {reason}; give contact points of the same cluster, or another upgrade.socket"
    )]
    OtherCluster {
        /// The name of the cluster that the other process serves.
        theirs: Box<str>,
        /// The name of the cluster that was reached.
        own: Box<str>,
        /// Why it is not the same.
        reason: &'static str,
    },
    /// A process listens at the socket of upgrades, and does not answer.
    #[error(
        "upgrade.socket: {} at {path} is there and has not answered within {} s: it is stopped or hangs, or hands over to \
         another process just now",
        process(*pid),
        WORD_MAX.as_secs()
    )]
    Silent {
        /// The socket.
        path: Bind,
        /// The process's id, where it is known.
        pid: Option<i32>,
    },
    /// A thread could not be started.
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
}

fn process(pid: Option<i32>) -> String {
    pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"))
}

/// Why a new process leaves the one before its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NoLane {
    /// None came within so many seconds.
    InTime(u64),
    /// No contact point can be used, for this reason.
    Refused(String),
}

impl fmt::Display for NoLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InTime(seconds) => {
                write!(f, "not within the {seconds} s of upgrade.lanes_wait_s")
            }
            Self::Refused(reason) => write!(f, "as no contact point can be used: {reason}"),
        }
    }
}
