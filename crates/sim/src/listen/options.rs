//! Options of a cluster on sockets.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use crate::cluster::options::ClusterOptions;
use crate::listen::tls::SimTls;

/// Options of a cluster on sockets. Port 0 means a port that is free on the addresses of all nodes.
#[derive(Clone, Debug, Default)]
pub struct SimOptions {
    /// Options of the cluster. `SimOptions` derefs to them.
    pub cluster: ClusterOptions,
    /// Address of the HTTP API; `None`: no API.
    pub api: Option<SocketAddr>,
    /// TLS of the nodes, in addition to plain CQL or instead of it.
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
