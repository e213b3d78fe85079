//! Errors of a simulated cluster on sockets.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::cluster::error::ClusterError;

/// Why the cluster does not listen.
#[derive(Debug, Error)]
pub enum SimError {
    /// The options make no cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An address is in use, or not of this machine.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// No port is free on all addresses.
    #[error("found no port that is free on every node's address")]
    NoPort,
    /// A thread or a runtime cannot be created.
    #[error("cannot start the cluster's thread")]
    Thread(#[source] io::Error),
    /// The cluster's thread has ended.
    #[error("the simulated cluster has ended")]
    Ended,
}
