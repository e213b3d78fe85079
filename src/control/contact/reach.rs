//! Finding a node to watch: contact points first, then nodes known from before.

use std::net::SocketAddr;

use crate::connect::dial_error::{DialError, DialErrorAt};
use crate::connect::handshake::Login;
use crate::control::agenda::EVENTS;
use crate::control::contact::connection::ControlConnection;
use crate::control::contact::opened_node::{OpenedNode, ReachSettings, open_node};
use crate::control::contact::race::{KnownNode, Race};
use crate::control::error::ControlError;
use crate::control::tables::metadata;
use crate::control::tables::metadata::{ClusterMetadata, Identity};
use crate::sockets::transport::Transport;
use cql::error_code::ErrorCode;
use cql::request::register::EventKind;
use cql::response::supported::Supported;

/// A node that answers.
#[derive(Debug)]
pub(crate) struct Reached {
    /// Its address, as it was reached.
    pub address: SocketAddr,
    /// The connection, registered for [`EVENTS`].
    pub connection: ControlConnection<Transport>,
    /// What it offers.
    pub supported: Supported,
    /// What it says of the cluster.
    pub metadata: ClusterMetadata,
    /// What was tried before it, and why that was of no use.
    pub failures: Vec<(String, ControlError)>,
    /// How we logged in; `None` when it wanted no login.
    pub login: Option<Login>,
}

/// Tries the contact points, starting with the one that `round` falls on, then `known` nodes; those
/// that are known to be in another data center come last, however they are named. When one
/// has said nothing for half a second the next is tried as well, and the first that answers wins.
/// Names are resolved each time, for a cluster may have moved. If none answers, the error names
/// all that were tried, and what became of each.
pub(crate) async fn reach(
    settings: &ReachSettings,
    known: &[KnownNode],
    round: usize,
) -> Result<Reached, ControlError> {
    let borrowed = lent(settings, round);
    let settings = borrowed.as_ref().unwrap_or(settings);
    let mut race = Race::new(settings, known, round);
    while let Some((place, opened)) = race.next().await {
        match Box::pin(finish(settings, opened)).await {
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
pub(crate) async fn identify(
    settings: &ReachSettings,
    address: SocketAddr,
) -> Result<Identity, ControlError> {
    let borrowed = lent(settings, 0);
    let settings = borrowed.as_ref().unwrap_or(settings);
    let mut opened = Box::pin(open_node(settings, address)).await?;
    metadata::identity(&mut opened.connection).await
}

/// Connects to one node, registers for events, and reads its tables, in this order: what changes
/// meanwhile comes as an event.
pub(crate) async fn reach_node(
    settings: &ReachSettings,
    address: SocketAddr,
) -> Result<Reached, ControlError> {
    let opened = Box::pin(open_node(settings, address)).await?;
    Box::pin(finish(settings, opened)).await
}

async fn finish(settings: &ReachSettings, opened: OpenedNode) -> Result<Reached, ControlError> {
    let OpenedNode { address, mut connection, supported, login } = opened;
    connection.register(&EVENTS).await?;
    if settings.client_routes {
        let kinds = [EventKind::ClientRoutesChange];
        match connection.register(&kinds).await {
            // The table is read all the same, each time the others are.
            Err(DialErrorAt { error: DialError::Refused(error, _), .. })
                if error.code == ErrorCode::PROTOCOL_ERROR =>
            {
                tracing::info!(%address, "the node sends no events for changes of client routes");
            }
            registered => registered?,
        }
    }
    let metadata = metadata::read(&mut connection).await?;
    Ok(Reached { address, connection, supported, metadata, failures: Vec::new(), login })
}
