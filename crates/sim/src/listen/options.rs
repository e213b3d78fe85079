//! What is asked for: the cluster, and where its page of control listens.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use crate::cluster::options::ClusterOptions;
use crate::listen::tls::SimTls;

/// A cluster on sockets. Port 0 means: one that is free on every node's address.
#[derive(Clone, Debug, Default)]
pub struct SimOptions {
    /// The cluster itself; its fields can be reached without naming it.
    pub cluster: ClusterOptions,
    /// Where the page of control listens; nowhere when absent.
    pub api: Option<SocketAddr>,
    /// TLS, which the nodes speak besides or instead of plain CQL.
    pub tls: Option<SimTls>,
}

impl Deref for SimOptions {
    type Target = ClusterOptions;

    fn deref(&self) -> &ClusterOptions {
        &self.cluster
    }
}

impl DerefMut for SimOptions {
    fn deref_mut(&mut self) -> &mut ClusterOptions {
        &mut self.cluster
    }
}
