//! Finding a node to watch: contact points first, then nodes known from before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::control::agenda::EVENTS;
use crate::control::connection::Connection;
use crate::control::contact_point::{ContactPoint, PORT_DEFAULT};
use crate::control::error::ControlError;
use crate::control::metadata;
use crate::control::metadata::Metadata;
use crate::net::lanes::credential::Credential;
use crate::net::lanes::dial::connect;
use crate::net::lanes::dial_error::{DialError, Step};
use crate::net::lanes::extensions::Extensions;
use crate::net::lanes::handshake::{Login, ask_options, start_up};
use crate::net::lanes::lane_set::LaneSet;
use crate::net::logins::credential_book::CredentialBook;
use crate::wire::response::supported::Supported;

/// How a node is reached.
#[derive(Clone, Debug)]
pub struct ReachSettings {
    /// Where to ask first.
    pub contact_points: Vec<ContactPoint>,
    /// Port of contact points that name none.
    pub port: u16,
    /// Whose rights the connection has; any user may read the system tables that are needed.
    pub credential: Option<Arc<Credential>>,
    /// Where clients log in themselves: their credentials, to borrow one if there is none of ours.
    pub book: Option<Arc<CredentialBook>>,
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
            book: None,
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
    pub connection: Connection<TcpStream>,
    /// What it offers.
    pub supported: Supported,
    /// What it says of the cluster.
    pub metadata: Metadata,
    /// How we logged in; `None` when it wanted no login.
    pub login: Option<Login>,
}

/// Tries the contact points, starting with the one that `round` falls on, then `known` nodes.
/// Names are resolved each time, for a cluster may have moved. If none answers, the error names
/// all that were tried, and what became of each.
pub async fn reach(
    settings: &ReachSettings,
    known: &[SocketAddr],
    round: usize,
) -> Result<Reached, ControlError> {
    let borrowed;
    let settings = match (&settings.credential, &settings.book) {
        (None, Some(book)) => {
            borrowed = ReachSettings { credential: book.lend(round), ..settings.clone() };
            &borrowed
        }
        (Some(_), _) | (None, None) => settings,
    };
    let mut failures = Vec::new();
    let mut tried = Vec::new();
    let points = &settings.contact_points;
    let start = round.checked_rem(points.len()).unwrap_or(0);
    for point in points.iter().cycle().skip(start).take(points.len()) {
        match point.resolve(settings.port, settings.connect_timeout_ms).await {
            Ok(addresses) => {
                let place = |address: SocketAddr| format!("{point} ({address})");
                match try_all(settings, &addresses, (&mut tried, &mut failures), place).await {
                    Some(reached) => return Ok(reached),
                    None => continue,
                }
            }
            Err(error) => failures.push((point.to_string(), error)),
        }
    }
    let place = |address: SocketAddr| address.to_string();
    match try_all(settings, known, (&mut tried, &mut failures), place).await {
        Some(reached) => Ok(reached),
        None => Err(ControlError::Unreachable(failures)),
    }
}

async fn try_all(
    settings: &ReachSettings,
    addresses: &[SocketAddr],
    (tried, failures): (&mut Vec<SocketAddr>, &mut Vec<(String, ControlError)>),
    place: impl Fn(SocketAddr) -> String,
) -> Option<Reached> {
    for &address in addresses {
        if tried.contains(&address) {
            continue;
        }
        tried.push(address);
        match Box::pin(reach_node(settings, address)).await {
            Ok(reached) => return Some(reached),
            Err(error) => failures.push((place(address), error)),
        }
    }
    None
}

/// Connects to one node, registers for events, and reads its tables, in this order: what changes
/// meanwhile comes as an event.
pub async fn reach_node(
    settings: &ReachSettings,
    address: SocketAddr,
) -> Result<Reached, ControlError> {
    let mut stream = connect(address, settings.connect_timeout_ms).await?;
    let set = LaneSet::plain(settings.credential.clone());
    let timeout_ms = settings.query_timeout_ms;
    let greeting = async {
        let supported = ask_options(&mut stream, set.version).await?;
        let login = start_up(&mut stream, Extensions::default(), &set).await?;
        Ok::<_, DialError>((supported, login))
    };
    let greeted = timeout(Duration::from_millis(timeout_ms), greeting).await;
    let step = Step::Startup;
    let greeted = greeted.map_err(|_| DialError::Timeout { step, timeout_ms })?;
    let (supported, login) = match greeted {
        Err(DialError::CredentialMissing { authenticator }) if settings.book.is_some() => {
            return Err(ControlError::LoginWanted { authenticator, address });
        }
        greeted => greeted?,
    };
    let mut connection = Connection::new(stream, set.version, timeout_ms);
    connection.register(&EVENTS).await?;
    let metadata = metadata::read(&mut connection).await?;
    Ok(Reached { address, connection, supported, metadata, login })
}
