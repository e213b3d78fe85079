//! One node opened: TCP, TLS, handshake and login.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect::dial_error::{DialError, DialStep};
use crate::connect::dialer::{connect, explained, secure};
use crate::connect::extensions::Extensions;
use crate::connect::handshake::{Login, ask_options, start_up};
use crate::connect::tls::node_tls::NodeTls;
use crate::control::contact::connection::ControlConnection;
use crate::control::contact::contact_point::{ContactPoint, PORT_DEFAULT};
use crate::control::error::ControlError;
use crate::pool::login::credential::Credential;
use crate::pool::login::credential_book::CredentialBook;
use crate::pool::pool_key::PoolKey;
use crate::sockets::transport::Transport;
use crate::upstream::lane::LANE_VERSION;
use cql::response::supported::Supported;

/// How a node is reached.
#[derive(Clone, Debug)]
pub(crate) struct ReachSettings {
    /// Where to ask first.
    pub contact_points: Vec<ContactPoint>,
    /// Port of contact points that name none.
    pub port: u16,
    /// Whose rights the connection has; any user may read the system tables that are needed.
    pub credential: Option<Arc<Credential>>,
    /// Whether to register for the event that routes have changed; older servers refuse it.
    pub client_routes: bool,
    /// TLS, if it is spoken.
    pub tls: Option<Arc<NodeTls>>,
    /// Where clients log in themselves: their credentials, to borrow one if there is none of ours.
    pub book: Option<Arc<CredentialBook>>,
    /// Where this proxy itself listens, to be distinguished from nodes: it answers no client before it has
    /// found one.
    pub own: Vec<SocketAddr>,
    /// Longest name resolution, and longest TCP connect.
    pub connect_timeout_ms: u64,
    /// Longest handshake, and longest answer to a question.
    pub query_timeout_ms: u64,
}

impl Default for ReachSettings {
    fn default() -> Self {
        Self {
            contact_points: Vec::new(),
            port: PORT_DEFAULT,
            credential: None,
            client_routes: false,
            tls: None,
            book: None,
            own: Vec::new(),
            connect_timeout_ms: 5_000,
            query_timeout_ms: 10_000,
        }
    }
}

/// A node that is past its handshake.
#[derive(Debug)]
pub(crate) struct OpenedNode {
    /// Its address, as it was reached.
    pub address: SocketAddr,
    /// The connection, registered for nothing yet.
    pub connection: ControlConnection<Transport>,
    /// What it offers.
    pub supported: Supported,
    /// How we logged in; `None` when it wanted no login.
    pub login: Option<Login>,
}

/// Connects to one node, up to the end of its handshake.
pub(crate) async fn open_node(
    settings: &ReachSettings,
    address: SocketAddr,
) -> Result<OpenedNode, ControlError> {
    if settings.own.contains(&address) {
        return Err(ControlError::OwnListener { address });
    }
    let stream = connect(address, settings.connect_timeout_ms).await?;
    if is_own(&settings.own, &stream, address) {
        return Err(ControlError::OwnListener { address });
    }
    let set = PoolKey::plain(settings.credential.clone());
    let (tls, timeout_ms) = (settings.tls.as_deref(), settings.query_timeout_ms);
    let mut stream = secure(tls, stream, address, timeout_ms).await?;
    let handshake = async {
        let supported = ask_options(&mut stream, LANE_VERSION).await?;
        if supported.shardlane.is_some() {
            return Ok((supported, None));
        }
        let login = start_up(&mut stream, Extensions::default(), &set).await?;
        Ok::<_, DialError>((supported, login))
    };
    let opened = timeout(Duration::from_millis(timeout_ms), handshake).await;
    let step = DialStep::Startup;
    let opened = opened.map_err(|_| DialError::Timeout { step, timeout_ms }.at(address))?;
    let (supported, login) = match opened {
        Err(DialError::CredentialMissing { authenticator }) if settings.book.is_some() => {
            return Err(ControlError::LoginWanted { authenticator, address });
        }
        opened => opened.map_err(|error| explained(tls, error, address))?,
    };
    if let Some(version) = supported.shardlane {
        return Err(ControlError::Shardlane { address, version });
    }
    let connection = ControlConnection::new(stream, address, LANE_VERSION, timeout_ms);
    Ok(OpenedNode { address, connection, supported, login })
}

/// Whether a connection to `address` came back to a listener of ours at all addresses: it went to
/// this machine, and to that port.
fn is_own(own: &[SocketAddr], stream: &TcpStream, address: SocketAddr) -> bool {
    let listens = own.iter().any(|own| own.ip().is_unspecified() && own.port() == address.port());
    let is_here = || stream.local_addr().is_ok_and(|local| local.ip() == address.ip());
    listens && (address.ip().is_loopback() || is_here())
}
