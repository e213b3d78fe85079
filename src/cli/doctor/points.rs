//! Each contact point: whether it resolves, answers, and belongs to the same cluster as the others.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cli::doctor::finding::{Findings, Level};
use crate::control::contact_point::ContactPoint;
use crate::control::cure;
use crate::control::error::{ControlError, chain};
use crate::control::reach::{ReachSettings, Reached, reach_node};

const TOPIC: &str = "contact";

/// One address of a contact point, and what became of it.
type Tried = (String, Result<Reached, ControlError>);

/// Tries all contact points. The first that answers is the one to go on with.
pub async fn examine(settings: &ReachSettings, findings: &mut Findings) -> Option<Reached> {
    let mut first: Option<(String, Reached)> = None;
    let tried = try_all(settings).await;
    let any = tried.iter().any(|(_, outcome)| outcome.is_ok());
    for (place, outcome) in tried {
        match outcome {
            Err(error) => {
                let level = if any { Level::Warn } else { Level::Bad };
                let text = format!("{place}: {}", chain(&error));
                findings.add(level, TOPIC, text, cure::of_control(&error));
            }
            Ok(reached) => {
                compare(first.as_ref(), (&place, &reached), findings);
                first.get_or_insert((place, reached));
            }
        }
    }
    first.map(|(_, reached)| reached)
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
        Err(error) => return vec![(point.to_string(), Err(error))],
    };
    let mut tried = Vec::new();
    for address in addresses {
        let outcome = Box::pin(reach_node(settings, address)).await;
        tried.push((place(point, address), outcome));
    }
    tried
}

/// The contact point as written, and its address where that says more.
fn place(point: &ContactPoint, address: SocketAddr) -> String {
    let (point, address) = (point.to_string(), address.to_string());
    if point == address { point } else { format!("{point} ({address})") }
}

/// Whether another contact point is of the same cluster as the first.
fn compare(
    first: Option<&(String, Reached)>,
    (place, reached): (&str, &Reached),
    findings: &mut Findings,
) {
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
            return findings.bad(TOPIC, text, "name nodes of one cluster in contact_points");
        }
        if kind(reached) != kind(other) {
            let text = format!("{place} is {}, {other_place} is {}", kind(reached), kind(other));
            let fix = "name nodes of one cluster in contact_points; on ScyllaDB set \
                       enable_shard_aware_drivers on every node";
            return findings.bad(TOPIC, text, fix);
        }
        let host = own.map(|own| own.host);
        if !other.metadata.hosts.iter().any(|row| Some(row.host) == host) {
            let text =
                format!("{place} is a node that {other_place} does not know of in its cluster");
            let fix = "name nodes of one cluster in contact_points, none that has left it";
            return findings.bad(TOPIC, text, fix);
        }
    }
    let home = own.map(|own| format!(", data center {}, rack {}", own.data_center, own.rack));
    findings.ok(TOPIC, format!("{place} answers: cluster '{name}'{}", home.unwrap_or_default()));
}
