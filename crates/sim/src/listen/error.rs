//! What can go wrong when a simulated cluster is put on sockets.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::cluster::error::ClusterError;

/// Why the cluster does not listen.
#[derive(Debug, Error)]
pub enum SimError {
    /// There can be no such cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the machine says.
        source: io::Error,
    },
    /// No port is free on all addresses.
    #[error("found no port that is free on every node's address")]
    NoPort,
    /// The machine gives no thread or no runtime.
    #[error("cannot start the cluster's thread")]
    Thread(#[source] io::Error),
    /// The cluster's thread has ended.
    #[error("the simulated cluster has ended")]
    Ended,
}
