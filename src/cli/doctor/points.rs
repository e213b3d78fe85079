//! Each contact point: whether it resolves, answers, and belongs to the same cluster as the others.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cli::doctor::cluster::class_name;
use crate::cli::doctor::finding::{Findings, Level};
use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use crate::control::contact::contact_point::ContactPoint;
use crate::control::contact::hint;
use crate::control::contact::opened_node::ReachSettings;
use crate::control::contact::reach::{Reached, reach_node};
use crate::control::error::{ControlError, at_place};

const TOPIC: &str = "contact";
const ONE_CLUSTER: &str = "name nodes of one cluster in contact_points";

/// One address of a contact point; none when it has none.
#[derive(Debug)]
struct Tried {
    place: String,
    address: Option<SocketAddr>,
    outcome: Result<Reached, ControlError>,
}

/// A node that answers, and what its contact point is called.
type First<'a> = Option<(&'a str, &'a Reached)>;

/// Tries all contact points. The first that answers is the one to go on with.
pub(crate) async fn examine(settings: &ReachSettings, findings: &mut Findings) -> Option<Reached> {
    let tried = try_all(settings).await;
    let first: First<'_> = tried.iter().find_map(|tried| {
        let reached = tried.outcome.as_ref().ok()?;
        Some((tried.place.as_str(), reached))
    });
    for tried in &tried {
        match &tried.outcome {
            Ok(reached) => compare(first, &tried.place, reached, findings),
            Err(error) => failed(first, tried, error, findings),
        }
    }
    tried.into_iter().find_map(|tried| tried.outcome.ok())
}

/// Reports a contact point that cannot be used. One that asks for a login, or refuses ours, cannot be
/// compared: it is of another cluster if `first` does not list it.
fn failed(first: First<'_>, tried: &Tried, error: &ControlError, findings: &mut Findings) {
    let place = &tried.place;
    let unlisted = first.filter(|(_, first)| !lists(first, tried.address));
    match (error, first, unlisted) {
        (ControlError::LoginWanted { authenticator, .. }, Some((other, _)), _) => {
            let authenticator = class_name(authenticator);
            let text = format!("{place} wants a login ({authenticator}), {other} wants none");
            if unlisted.is_some() {
                let text = format!("{text} and does not list it in its cluster");
                return findings.bad(TOPIC, text, ONE_CLUSTER);
            }
            let hint = "turn authentication on at every node of the cluster, or at none";
            findings.warn("login", text, hint);
        }
        (ControlError::LoginWanted { authenticator, .. }, None, _) => {
            let authenticator = class_name(authenticator);
            let text = format!(
                "{place} answers and wants a login ({authenticator}); clients give their own, and \
                 without one nothing more can be looked at"
            );
            let hint = "give doctor a role that may look: --username and --password-file";
            findings.warn("login", text, hint);
        }
        (
            ControlError::Dial(DialErrorAt {
                error: DialError::Refused(refusal, DialStep::Login),
                ..
            }),
            _,
            Some((other, _)),
        ) => {
            let text = format!(
                "{place} refuses the login that {other} takes, which does not list it in its \
                 cluster: {refusal}"
            );
            findings.bad(TOPIC, text, ONE_CLUSTER);
        }
        _ => {
            let is_useful = first.is_some() && !error.is_loop();
            let level = if is_useful { Level::Warn } else { Level::Bad };
            findings.add(level, TOPIC, at_place(place, error), hint::of_control(error));
        }
    }
}

/// Whether the cluster of a node has a node at an address.
fn lists(reached: &Reached, address: Option<SocketAddr>) -> bool {
    let ip = address.map(|address| address.ip());
    ip.is_some() && reached.metadata.hosts.iter().any(|row| row.address == ip)
}

/// All addresses of all contact points, in the order of the settings, at the same time.
async fn try_all(settings: &ReachSettings) -> Vec<Tried> {
    let shared = Arc::new(settings.clone());
    let mut running = JoinSet::new();
    for (index, point) in settings.contact_points.iter().cloned().enumerate() {
        let settings = Arc::clone(&shared);
        running.spawn(async move { (index, Box::pin(try_point(&settings, &point)).await) });
    }
    let mut tried = running.join_all().await;
    tried.sort_by_key(|(index, _)| *index);
    tried.into_iter().flat_map(|(_, tried)| tried).collect()
}

async fn try_point(settings: &ReachSettings, point: &ContactPoint) -> Vec<Tried> {
    let addresses = match point.resolve(settings.port, settings.connect_timeout_ms).await {
        Ok(addresses) => addresses,
        Err(error) => {
            return vec![Tried { place: point.to_string(), address: None, outcome: Err(error) }];
        }
    };
    let mut tried = Vec::new();
    for address in addresses {
        let outcome = Box::pin(reach_node(settings, address)).await;
        tried.push(Tried { place: place(point, address), address: Some(address), outcome });
    }
    tried
}

/// The contact point as written, and its address where that says more.
fn place(point: &ContactPoint, address: SocketAddr) -> String {
    let (point, address) = (point.to_string(), address.to_string());
    if point == address { point } else { format!("{point} ({address})") }
}

/// Reports whether a contact point is of the same cluster as the first.
fn compare(first: First<'_>, place: &str, reached: &Reached, findings: &mut Findings) {
    let metadata = &reached.metadata;
    let name = metadata.cluster_name.as_deref().unwrap_or_default();
    let own = metadata.hosts.first();
    let kind = |reached: &Reached| match reached.supported.sharding {
        Some(_) => "ScyllaDB",
        None => "a server without shards",
    };
    if let Some((other_place, other)) = first {
        let other_name = other.metadata.cluster_name.as_deref().unwrap_or_default();
        if name != other_name {
            let text = format!(
                "{place} is in cluster '{name}', {other_place} is in cluster '{other_name}'"
            );
            return findings.bad(TOPIC, text, ONE_CLUSTER);
        }
        if kind(reached) != kind(other) {
            let text = format!("{place} is {}, {other_place} is {}", kind(reached), kind(other));
            let hint = "name nodes of one cluster in contact_points; on ScyllaDB set \
                       enable_shard_aware_drivers on every node";
            return findings.bad(TOPIC, text, hint);
        }
        let host = own.map(|own| own.host);
        if !other.metadata.hosts.iter().any(|row| Some(row.host) == host) {
            let text =
                format!("{place} is a node that {other_place} does not know of in its cluster");
            let hint = "name nodes of one cluster in contact_points, none that has left it";
            return findings.bad(TOPIC, text, hint);
        }
    }
    let place_of = own.map(|own| format!(", data center {}, rack {}", own.data_center, own.rack));
    findings
        .ok(TOPIC, format!("{place} answers: cluster '{name}'{}", place_of.unwrap_or_default()));
}
