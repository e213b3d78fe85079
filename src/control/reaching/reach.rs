//! Finding a node to watch: contact points first, then nodes known from before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect::dial_error::{DialError, Step};
use crate::connect::dialer::{connect, explained, secure};
use crate::connect::extensions::Extensions;
use crate::connect::handshake::{Login, VERSION, ask_options, start_up};
use crate::connect::node_tls::NodeTls;
use crate::control::agenda::EVENTS;
use crate::control::error::ControlError;
use crate::control::reaching::connection::Connection;
use crate::control::reaching::contact_point::{ContactPoint, PORT_DEFAULT};
use crate::control::reaching::race::{KnownNode, Race};
use crate::control::tables::metadata;
use crate::control::tables::metadata::{Identity, Metadata};
use crate::pool::credential::Credential;
use crate::pool::credential_book::CredentialBook;
use crate::pool::pool_key::PoolKey;
use crate::sockets::transport::Transport;
use cql::error_code::ErrorCode;
use cql::request::register::EventKind;
use cql::response::supported::Supported;

/// How a node is reached.
#[derive(Clone, Debug)]
pub struct ReachSettings {
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

/// A node that answers.
#[derive(Debug)]
pub struct Reached {
    /// Its address, as it was reached.
    pub address: SocketAddr,
    /// The connection, registered for [`EVENTS`].
    pub connection: Connection<Transport>,
    /// What it offers.
    pub supported: Supported,
    /// What it says of the cluster.
    pub metadata: Metadata,
    /// What was tried before it, and why that was of no use.
    pub failures: Vec<(String, ControlError)>,
    /// How we logged in; `None` when it wanted no login.
    pub login: Option<Login>,
}

/// Tries the contact points, starting with the one that `round` falls on, then `known` nodes; those
/// that are known to be in another data center come last, however they are named. One
/// that says nothing for half a second gets company by the next, and the first that answers wins.
/// Names are resolved each time, for a cluster may have moved. If none answers, the error names
/// all that were tried, and what became of each.
pub async fn reach(
    settings: &ReachSettings,
    known: &[KnownNode],
    round: usize,
) -> Result<Reached, ControlError> {
    let borrowed = lent(settings, round);
    let settings = borrowed.as_ref().unwrap_or(settings);
    let mut race = Race::new(settings, known, round);
    while let Some((place, greeted)) = race.next().await {
        match Box::pin(finish(settings, greeted)).await {
            Ok(reached) => return Ok(Reached { failures: race.failures, ..reached }),
            Err(error) => race.failures.push((place, error)),
        }
    }
    Err(ControlError::Unreachable(race.failures))
}

/// The settings with a credential borrowed from a client, if there is none of ours.
fn lent(settings: &ReachSettings, round: usize) -> Option<ReachSettings> {
    match (&settings.credential, &settings.book) {
        (None, Some(book)) => {
            Some(ReachSettings { credential: book.lend(round), ..settings.clone() })
        }
        (Some(_), _) | (None, None) => None,
    }
}

/// Connects to one node, and asks for nothing but who it is.
pub async fn identify(
    settings: &ReachSettings,
    address: SocketAddr,
) -> Result<Identity, ControlError> {
    let borrowed = lent(settings, 0);
    let settings = borrowed.as_ref().unwrap_or(settings);
    let mut greeted = Box::pin(greet(settings, address)).await?;
    metadata::identity(&mut greeted.connection).await
}

/// Connects to one node, registers for events, and reads its tables, in this order: what changes
/// meanwhile comes as an event.
pub async fn reach_node(
    settings: &ReachSettings,
    address: SocketAddr,
) -> Result<Reached, ControlError> {
    let greeted = Box::pin(greet(settings, address)).await?;
    Box::pin(finish(settings, greeted)).await
}

/// A node that is past its handshake.
#[derive(Debug)]
pub struct Greeted {
    address: SocketAddr,
    connection: Connection<Transport>,
    supported: Supported,
    login: Option<Login>,
}

/// Connects to one node, up to the end of its handshake.
pub async fn greet(settings: &ReachSettings, address: SocketAddr) -> Result<Greeted, ControlError> {
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
    let greeting = async {
        let supported = ask_options(&mut stream, VERSION).await?;
        if supported.shardlane.is_some() {
            return Ok((supported, None));
        }
        let login = start_up(&mut stream, Extensions::default(), &set).await?;
        Ok::<_, DialError>((supported, login))
    };
    let greeted = timeout(Duration::from_millis(timeout_ms), greeting).await;
    let step = Step::Startup;
    let greeted =
        greeted.map_err(|_| DialError::Timeout { address: Some(address), step, timeout_ms })?;
    let (supported, login) = match greeted {
        Err(DialError::CredentialMissing { authenticator }) if settings.book.is_some() => {
            return Err(ControlError::LoginWanted { authenticator, address });
        }
        greeted => greeted.map_err(|error| explained(tls, error, address))?,
    };
    if let Some(version) = supported.shardlane {
        return Err(ControlError::Shardlane { address, version });
    }
    let connection = Connection::new(stream, VERSION, timeout_ms);
    Ok(Greeted { address, connection, supported, login })
}

/// Whether a connection to `address` came back to a listener of ours at all addresses: it went to
/// this machine, and to that port.
fn is_own(own: &[SocketAddr], stream: &TcpStream, address: SocketAddr) -> bool {
    let listens = own.iter().any(|own| own.ip().is_unspecified() && own.port() == address.port());
    let is_here = || stream.local_addr().is_ok_and(|local| local.ip() == address.ip());
    listens && (address.ip().is_loopback() || is_here())
}

async fn finish(settings: &ReachSettings, greeted: Greeted) -> Result<Reached, ControlError> {
    let Greeted { address, mut connection, supported, login } = greeted;
    connection.register(&EVENTS).await?;
    if settings.client_routes {
        let kinds = [EventKind::ClientRoutesChange];
        match connection.register(&kinds).await {
            // The table is read all the same, each time the others are.
            Err(DialError::Refused(error, _)) if error.code == ErrorCode::PROTOCOL_ERROR => {
                tracing::info!(%address, "the node sends no events for changes of client routes");
            }
            registered => registered?,
        }
    }
    let metadata = metadata::read(&mut connection).await?;
    Ok(Reached { address, connection, supported, metadata, failures: Vec::new(), login })
}
