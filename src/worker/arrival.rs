//! Clients on their way to a worker.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::listen::client_tls::ClientTls;
use crate::listen::listener::Accepted;
use crate::sockets::transport::Transport;

/// A client that has connected.
#[derive(Debug)]
pub struct Arrival {
    /// Its socket, non-blocking.
    pub stream: Accepted,
    /// The handshake that a TCP client has to pass first.
    pub tls: Option<Arc<ClientTls>>,
}

/// A client past its handshake.
#[derive(Debug)]
pub struct Greeted {
    pub(super) stream: Transport,
    pub(super) local: SocketAddr,
    pub(super) peer: Option<SocketAddr>,
}
