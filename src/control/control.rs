//! The watching connection for as long as the process lives: one node after another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;
use tracing::info;
use tracing::warn;

use crate::collections::log_throttle::LogThrottle;
use crate::control::agenda::AgendaSettings;
use crate::control::contact::hint;
use crate::control::contact::opened_node::ReachSettings;
use crate::control::contact::race::KnownNode;
use crate::control::contact::reach::{Reached, reach};
use crate::control::contact::unlisted;
use crate::control::contact::unlisted::KnownCluster;
use crate::control::error::{ControlError, chain};
use crate::control::tables::publication::Publisher;
use crate::control::tables::routes::{RouteSettings, Routes};
use crate::control::tables::table_reads::{TableReadSettings, TableReads};
use crate::control::watch::{ControlReport, ControlRequest, End, Watcher};
use crate::platform::clock::{now_ms, now_us};
use crate::pool::refill::backoff::{Backoff, BackoffSettings};
use crate::state::record::StateHeader;
use crate::topology::node::Node;

/// No wait between rounds is longer: this is one connection a process, which may try more often
/// than lanes do, and nothing goes right before it is there.
const ROUND_REST_MAX_MS: u64 = 5_000;

/// While no node answers, that is logged once in this time, µs.
const LINE_EVERY_US: u64 = 60_000_000;

/// How the cluster is watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct ControlSettings {
    /// How a node is reached.
    pub reach: ReachSettings,
    /// The data center where requests should stay; none takes that of the first node that answers.
    pub data_center: Option<String>,
    /// The rack where we run; none takes that of the first node found in the data center.
    pub rack: Option<String>,
    /// The cluster and the place that clients of the process before saw.
    pub before: Option<StateHeader>,
    /// Where nodes are dialled when their own addresses do not lead to them.
    pub routes: RouteSettings,
    /// How fast single tables are read.
    pub table_reads: TableReadSettings,
    /// When to do what.
    pub agenda: AgendaSettings,
    /// Waits between rounds in which no node answered; five seconds at most.
    pub backoff: BackoffSettings,
    /// Where random numbers start.
    pub seed: u64,
}

/// Watches the cluster until `requests` is closed, or the reader of `reports` has ended. Data never takes
/// this connection: servers treat one that is registered for events as a control connection.
pub(crate) async fn run(
    mut settings: ControlSettings,
    requests: Receiver<ControlRequest>,
    reports: Sender<ControlReport>,
) {
    let mut backoff = Backoff::new(rests(settings.backoff), settings.seed);
    let publisher = Publisher::new(settings.data_center.as_deref());
    let publisher = publisher.in_rack(settings.rack.as_deref()).after(settings.before.clone());
    let routes = Routes::new(settings.routes.clone());
    let reads = TableReads::new(settings.table_reads);
    let mut watcher = Watcher {
        publisher,
        agenda: settings.agenda,
        routes,
        reads,
        requests,
        pace: None,
        reports,
    };
    let mut lines = LogThrottle::every(LINE_EVERY_US);
    let mut own_cluster = None;
    let mut lookers = JoinSet::new();
    for round in 0.. {
        if let Some(pace) = watcher.pace.take() {
            backoff.set_settings(rests(pace.backoff));
            settings.reach.connect_timeout_ms = pace.connect_timeout_ms;
        }
        let known = known_nodes(&watcher.publisher);
        let reached = Box::pin(reach(&settings.reach, &known, round)).await;
        let mut watched = None;
        let end = match reached.and_then(|reached| of_one_cluster(reached, &mut own_cluster)) {
            Ok(reached) => {
                for (place, error) in &reached.failures {
                    let hint = hint::of_control(error);
                    warn!(place, error = chain(error), hint, "a contact point is of no use");
                }
                backoff.reset();
                lines = LogThrottle::every(LINE_EVERY_US);
                watched = Some(reached.address);
                if settings.reach.book.is_some() {
                    let class = reached.login.as_ref().map(|login| login.authenticator.as_str());
                    let is_sent =
                        report_authenticator(&watcher, class, vec![reached.address]).await;
                    if is_sent.is_err() {
                        return;
                    }
                }
                let is_first = watcher.publisher.last().is_none();
                let asked = own_cluster.clone().filter(|_| is_first);
                let (reach, tasks) = (&settings.reach, &mut lookers);
                let search = asked.map(|own| UnlistedSearch { reach, own, tasks });
                Box::pin(watch(&mut watcher, reached, search)).await
            }
            Err(error) => End::Lost(error),
        };
        let End::Lost(error) = end else { return };
        if report_failure(&watcher, error, watched, &mut lines).await.is_err() {
            return;
        }
        let rest = Duration::from_millis(backoff.on_failure(now_ms()));
        if rest_between_rounds(&mut watcher, rest).await.is_err() {
            return;
        }
    }
}

/// Logs and reports why no node is watched; `Err` when the watching ends by that.
async fn report_failure(
    watcher: &Watcher,
    error: ControlError,
    watched: Option<SocketAddr>,
    lines: &mut LogThrottle,
) -> Result<(), End> {
    if error.is_loop() && watcher.publisher.last().is_none() {
        // The report is dropped when its reader has ended.
        watcher.reports.send(ControlReport::Refused(error)).await.ok();
        return Err(End::Closed);
    }
    let wanted = error.logins_wanted();
    if let Some((class, _)) = wanted.first() {
        debug!(error = chain(&error), "the node that would watch the cluster asks for a login");
        let contacts = wanted.iter().map(|(_, address)| *address).collect();
        report_authenticator(watcher, Some(class), contacts).await?;
    } else {
        log_failure(&error, watched, lines);
    }
    watcher.reports.send(ControlReport::Failed(error)).await.map_err(|_| End::Closed)
}

/// Waits between rounds.
fn rests(settings: BackoffSettings) -> BackoffSettings {
    BackoffSettings { max_ms: settings.max_ms.min(ROUND_REST_MAX_MS), ..settings }
}

/// Waits until the next round is due or asked for; `Err` when nothing can be asked for any more.
async fn rest_between_rounds(watcher: &mut Watcher, rest: Duration) -> Result<(), End> {
    let mut rest = Box::pin(sleep(rest));
    loop {
        tokio::select! {
            () = &mut rest => return Ok(()),
            request = watcher.requests.recv() => match request {
                // The tables are read as soon as a node answers; workers ask again for others.
                Some(ControlRequest::Refresh | ControlRequest::ReadTable(_)) => {}
                Some(ControlRequest::Reach) => return Ok(()),
                Some(ControlRequest::Pace(pace)) => {
                    watcher.on_pace(pace);
                    return Ok(());
                }
                None => return Err(End::Closed),
            },
        }
    }
}

/// A connection that breaks is replaced at once, and its node has its own line if it is down: only while
/// no node answers is anything wrong.
fn log_failure(error: &ControlError, watched: Option<SocketAddr>, lines: &mut LogThrottle) {
    let chain = chain(error);
    if let Some(address) = watched {
        info!(%address, error = chain, "the connection that watches the cluster broke: another node is asked");
    } else if let Some(suppressed) = lines.next(now_us()) {
        let hint = hint::of_control(error);
        warn!(error = chain, hint, suppressed, "no node can be reached to watch the cluster");
    }
}

/// Refuses a node of another cluster than the first node's: to take its word would send requests
/// to nodes that do not have the rows.
fn of_one_cluster(
    reached: Reached,
    own_cluster: &mut Option<KnownCluster>,
) -> Result<Reached, ControlError> {
    let Some(found) = reached.metadata.cluster_name.clone() else { return Ok(reached) };
    let address = reached.address;
    let first =
        own_cluster.get_or_insert_with(|| KnownCluster { cluster: found.clone(), address }).clone();
    if found == first.cluster {
        return Ok(reached);
    }
    let KnownCluster { cluster: expected, address: known } = first;
    Err(ControlError::OtherCluster { address, found, expected, known })
}

/// Reports whether clients have to log in; `Err` when the reports' reader has ended.
async fn report_authenticator(
    watcher: &Watcher,
    class: Option<&str>,
    contacts: Vec<SocketAddr>,
) -> Result<(), End> {
    let report = ControlReport::Authenticator { class: class.map(Arc::from), contacts };
    watcher.reports.send(report).await.map_err(|_| End::Closed)
}

/// A search for contact points of other clusters.
struct UnlistedSearch<'a> {
    reach: &'a ReachSettings,
    /// The cluster of the first node.
    own: KnownCluster,
    tasks: &'a mut JoinSet<()>,
}

async fn watch(watcher: &mut Watcher, reached: Reached, search: Option<UnlistedSearch<'_>>) -> End {
    let Reached { address, mut connection, mut metadata, .. } = reached;
    if let Err(error) = watcher.routes.apply(&mut connection, &mut metadata).await {
        return End::Lost(error);
    }
    for row in &metadata.left_out {
        info!(row, "a row of system.peers is ignored");
    }
    let host = metadata.hosts.first().map(|row| row.host);
    let is_first = watcher.publisher.last().is_none();
    if !is_first && watcher.reports.send(ControlReport::EventsMissed).await.is_err() {
        return End::Closed;
    }
    watcher.publisher.forget_down();
    if let Some(published) = watcher.publisher.on_metadata(metadata, address, !is_first) {
        let nodes = published.snapshot.nodes().len();
        info!(%address, nodes, data_center = %published.data_center, "watching the cluster");
        if let Some(UnlistedSearch { reach, own, tasks }) = search {
            let (reach, reports) = (reach.clone(), watcher.reports.clone());
            let cluster = Arc::clone(&published.snapshot);
            tasks.spawn(async move {
                if let Some(error) = Box::pin(unlisted::find(reach, &own, &cluster)).await {
                    // The report is dropped when its reader has ended.
                    reports.send(ControlReport::Refused(error)).await.ok();
                }
            });
        }
        if watcher.reports.send(ControlReport::Published(published)).await.is_err() {
            return End::Closed;
        }
    }
    // It answers us, so lanes to it need not wait either.
    if let Some(node) = host.and_then(|host| watcher.publisher.number_of(host))
        && !is_first
        && watcher.reports.send(ControlReport::NodeUp(node)).await.is_err()
    {
        return End::Closed;
    }
    watcher.watch(&mut connection, address).await
}

/// Nodes of the last snapshot: local ones first, and of these those that are said to be down last.
fn known_nodes(publisher: &Publisher) -> Vec<KnownNode> {
    let Some(last) = publisher.last() else { return Vec::new() };
    let mut nodes: Vec<_> = last.snapshot.nodes().iter().collect();
    let is_remote = |node: &Node| node.data_center != last.data_center;
    nodes.sort_by_key(|node| (is_remote(node), publisher.is_down(node.id)));
    let known = nodes.iter().map(|node| KnownNode {
        address: SocketAddr::new(node.address, node.port),
        is_remote: is_remote(node),
    });
    known.collect()
}

#[cfg(test)]
mod tests;
