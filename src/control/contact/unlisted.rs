//! Contact points that the cluster does not list: whether they are nodes of another one.
//!
//! The cluster that is served is that of the first contact point which answers. If another contact
//! point belongs to another cluster, that one would be served from the next start on at which it
//! happens to answer first, and writes would go where they are not looked for.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

use crate::control::contact::hint;
use crate::control::contact::opened_node::ReachSettings;
use crate::control::contact::reach::identify;
use crate::control::error::{ControlError, chain};
use crate::control::tables::metadata::Identity;
use crate::topology::snapshot::Snapshot;

/// Longest look at all of them.
const LOOK: Duration = Duration::from_secs(5);
/// Addresses that are asked at most: each start of each proxy costs each of them a login.
const ASKED_MAX: usize = 16;

/// The first node that answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KnownCluster {
    /// The name of its cluster.
    pub cluster: String,
    /// Where it answered.
    pub address: SocketAddr,
}

/// Asks each contact point that is no node of `cluster`, all at once, who it is. Those that do not
/// answer in time are left alone: they do no harm as long as they do not.
pub(crate) async fn find(
    settings: ReachSettings,
    own: &KnownCluster,
    cluster: &Snapshot,
) -> Option<ControlError> {
    timeout(LOOK, ask_all(Arc::new(settings), own, cluster)).await.ok().flatten()
}

async fn ask_all(
    settings: Arc<ReachSettings>,
    own: &KnownCluster,
    cluster: &Snapshot,
) -> Option<ControlError> {
    let mut running = JoinSet::new();
    for address in unlisted(&settings, own, cluster).await.into_iter().take(ASKED_MAX) {
        let settings = Arc::clone(&settings);
        running.spawn(async move { (address, Box::pin(identify(&settings, address)).await) });
    }
    // They are never aborted, and they do not panic.
    while let Some(Ok((address, answer))) = running.join_next().await {
        if let Err(error) = answer.and_then(|who| judge(address, who, own, cluster)) {
            if matches!(error, ControlError::OtherCluster { .. }) {
                return Some(error);
            }
            let (error, hint) = (chain(&error), hint::of_control(&error));
            warn!(%address, error, hint, "a contact point that the cluster does not list");
        }
    }
    None
}

/// Judges whether the node that answers at `address` is one of the cluster: by the cluster's name, and,
/// since clusters may share a name, by its host id.
fn judge(
    address: SocketAddr,
    who: Identity,
    own: &KnownCluster,
    cluster: &Snapshot,
) -> Result<(), ControlError> {
    let KnownCluster { cluster: expected, address: known } = own.clone();
    if let Some(found) = who.cluster_name.filter(|found| *found != expected) {
        return Err(ControlError::OtherCluster { address, found, expected, known });
    }
    match who.host {
        Some(host) if cluster.number_of(host).is_none() => {
            Err(ControlError::UnknownHost { address, host, known })
        }
        Some(_) | None => Ok(()),
    }
}

/// What contact points lead to, but for `own` and the nodes of the cluster.
async fn unlisted(
    settings: &Arc<ReachSettings>,
    own: &KnownCluster,
    cluster: &Snapshot,
) -> BTreeSet<SocketAddr> {
    let mut resolving = JoinSet::new();
    for point in settings.contact_points.clone() {
        let (port, timeout_ms) = (settings.port, settings.connect_timeout_ms);
        resolving.spawn(async move { point.resolve(port, timeout_ms).await });
    }
    // A name that leads nowhere is logged where it is tried.
    let found = resolving.join_all().await.into_iter().filter_map(Result::ok).flatten();
    let nodes = cluster.nodes().iter();
    let listed: Vec<_> = nodes.map(|node| SocketAddr::new(node.address, node.port)).collect();
    found.filter(|found| *found != own.address && !listed.contains(found)).collect()
}
