//! Clients on their way to a worker, or to another process.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use crate::listen::client_tls::ClientTls;
use crate::listen::listener::Accepted;
use crate::sockets::transport::{Leaving, Transport};
use crate::state::client::MovedClient;

/// A client that has connected.
#[derive(Debug)]
pub(crate) struct ConnectedClient {
    /// Its socket, non-blocking.
    pub stream: Accepted,
    /// Set where it is to be refused, since clients have all the descriptors that they may have, so many.
    pub no_descriptor: Option<u64>,
    /// The handshake that a TCP client has to pass first.
    pub tls: Option<Arc<ClientTls>>,
    /// What is known of a client that comes from another process.
    pub moved: Option<Box<MovedClient>>,
}

/// How clients leave for another process: each is given away once all that it asked is answered, and what is left when the
/// time is over stays.
#[derive(Clone, Debug)]
pub(crate) struct Giving {
    /// Where to. Closed when there is no more.
    pub to: Sender<GivenClient>,
    /// When that began, on the worker's clock.
    pub since_us: u64,
    /// When it ends.
    pub until_us: u64,
}

/// How long clients that wait for answers are not read, so that they may move, and then are read again, µs: less than the 2 s
/// that some drivers give a request.
const HOLD_US: u64 = 1_000_000;

impl Giving {
    /// Whether clients that may move are not read now. A slow request would else stop all others of its connection.
    #[must_use]
    pub(crate) fn holds_at(&self, now_us: u64) -> bool {
        (now_us.saturating_sub(self.since_us) / HOLD_US).is_multiple_of(2)
    }
}

/// A client that another process serves on.
#[derive(Debug)]
pub(crate) struct GivenClient {
    /// Its connection.
    pub connection: Leaving,
    /// What the other process has to know.
    pub client: MovedClient,
}

/// A client past its handshake.
#[derive(Debug)]
pub(crate) struct HandshakenClient {
    pub(super) stream: Transport,
    pub(super) no_descriptor: Option<u64>,
    pub(super) local: SocketAddr,
    pub(super) peer: Option<SocketAddr>,
}
