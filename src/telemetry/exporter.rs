//! From reports to the metrics page.

use std::collections::{BTreeMap, HashMap};

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;

use crate::collections::histogram::Histogram;
use crate::engine::limits::Limits;
use crate::engine::view::gauges::{Gauges, LaneGauges};
use crate::engine::view::tally::{Feedback, Outcome, RequestKind, Tally};
use crate::routing::decision::Reason;
use crate::telemetry::family::{Buckets, Families};
use crate::telemetry::names;
use crate::telemetry::openmetrics::Format;
use crate::telemetry::report::{
    ClusterReport, NodeDials, RotationReport, StateReport, TabletReadReport, TlsReport,
    WorkerReport,
};
use crate::topology::id::NodeId;

/// Tables with a label of their own. The rest share `other`: a cluster may have thousands.
const TABLES_MAX: usize = 100;

const OTHER_TABLES: &str = "other";

/// 64 µs to 34 s.
const REQUEST_BUCKETS: Buckets = Buckets { first_bits: 6, last_bits: 25 };

/// 1 µs to 16 ms.
const OVERHEAD_BUCKETS: Buckets = Buckets { first_bits: 0, last_bits: 14 };

/// Renders the page: the sum of all workers, the cluster, and the process.
pub(crate) fn render(
    workers: &[WorkerReport],
    cluster: &ClusterReport,
    format: Format,
) -> Result<String, String> {
    let mut families = Families::default();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    families.numbers(&names::BUILD_INFO, [(vec![version], 1)]);
    add_requests(&mut families, workers);
    add_routing(&mut families, workers);
    add_tablet_reads(&mut families, workers, &cluster.tablet_reads);
    add_state(&mut families, workers, &cluster.state);
    add_lanes(&mut families, workers, cluster);
    add_prepared(&mut families, workers);
    add_clients(&mut families, workers);
    add_tls(&mut families, &cluster.tls);
    add_agreement(&mut families, workers);
    add_limits(&mut families, &cluster.limits);
    families.number(&names::LOG_LINES_LOST, cluster.log_lines_lost);
    let reload = &cluster.reload;
    families.number(&names::CONFIG_GENERATION, reload.generation);
    families.number(&names::CONFIG_RELOAD_FAILURES, reload.failures);
    families.number(&names::CONFIG_LAST_RELOAD_SUCCESSFUL, u64::from(reload.last_succeeded));
    families.number(&names::CONFIG_LAST_RELOAD_SUCCESS, reload.succeeded_s);
    families.extend(ProcessCollector::for_self().collect());
    families.encode(format)
}

fn add_requests(families: &mut Families, workers: &[WorkerReport]) {
    let received = RequestKind::ALL.into_iter().enumerate().map(|(ask, label)| {
        let count = total(workers, |tally| tally.received.get(ask).copied().unwrap_or(0));
        (vec![label.label().to_owned()], count)
    });
    families.numbers(&names::REQUESTS_RECEIVED, received);
    let ended = RequestKind::ALL.into_iter().enumerate().flat_map(|(ask, asked)| {
        Outcome::ALL.into_iter().enumerate().map(move |(outcome, how)| {
            let labels = vec![asked.label().to_owned(), how.label().to_owned()];
            let cell = |tally: &Tally| tally.ended.get(ask)?.get(outcome).copied();
            (labels, total(workers, |tally| cell(tally).unwrap_or(0)))
        })
    });
    families.numbers(&names::REQUESTS, ended);
    let latency = merged(workers, |tally| &tally.latency);
    families.durations(&names::REQUEST_DURATION, &latency, REQUEST_BUCKETS);
    let own_time = merged(workers, |tally| &tally.own_time);
    families.durations(&names::PROXY_OVERHEAD, &own_time, OVERHEAD_BUCKETS);
    families.number(&names::REQUEST_TIMEOUTS, total(workers, |tally| tally.timeouts));
    families.number(&names::LATE_ANSWERS, total(workers, |tally| tally.late_answers));
    families.number(&names::RETRIES, total(workers, |tally| tally.resent));
    families.number(&names::RETRIES_REFUSED, total(workers, |tally| tally.retries_refused));
    families.number(&names::COPIES_REFUSED, total(workers, |tally| tally.copies_refused));
}

fn add_routing(families: &mut Families, workers: &[WorkerReport]) {
    // Every reason is exported from the start, at 0: a rate over a series that begins at 1 loses it.
    let decisions = Reason::ALL.into_iter().enumerate().map(|(reason, label)| {
        let count = total(workers, |tally| tally.routing.get(reason).copied().unwrap_or(0));
        (vec![label.label().to_owned()], count)
    });
    families.numbers(&names::ROUTING, decisions);
    let tables = fold_tables(workers);
    let misses = tables.iter().map(|(name, feedback)| (vec![name.clone()], feedback.misses));
    families.numbers(&names::tablets::TABLET_FEEDBACK, misses);
    let hits = tables.iter().map(|(name, feedback)| (vec![name.clone()], feedback.hits));
    families.numbers(&names::tablets::TABLET_HITS, hits);
    let misses = tables.iter().map(|(name, feedback)| (vec![name.clone()], feedback.text_misses));
    families.numbers(&names::tablets::TEXT_TABLET_FEEDBACK, misses);
    let hits = tables.iter().map(|(name, feedback)| (vec![name.clone()], feedback.text_hits));
    families.numbers(&names::tablets::TEXT_TABLET_HITS, hits);
    families.number(&names::tablets::TABLET_ENTRIES, held(workers, |gauges| gauges.tablets));
    families.number(&names::tablets::TABLET_STALE, total(workers, |tally| tally.stale_tablets));
}

fn add_tablet_reads(families: &mut Families, workers: &[WorkerReport], reads: &TabletReadReport) {
    let results =
        [("complete", reads.complete), ("refused", reads.refused), ("failed", reads.failed)];
    let results = results.map(|(result, count)| (vec![result.to_owned()], count));
    families.numbers(&names::tablets::TABLET_READS, results);
    families.number(&names::tablets::TABLETS_READ, reads.tablets);
    families
        .number(&names::tablets::TABLETS_OUTDATED, total(workers, |tally| tally.tablets_outdated));
    families.number(&names::tablets::TABLET_SAMPLES, total(workers, |tally| tally.tablet_samples));
}

fn add_state(families: &mut Families, workers: &[WorkerReport], state: &StateReport) {
    let restored = [
        ("tablets", total(workers, |tally| tally.tablets_restored)),
        ("statements", total(workers, |tally| tally.statements_restored)),
    ];
    let restored = restored.map(|(what, count)| (vec![what.to_owned()], count));
    families.numbers(&names::state::STATE_RESTORED, restored);
    families.number(&names::state::STATE_RESTORED_AGE, state.restored_age_s);
    families.number(&names::state::STATE_WRITES, state.writes);
    families.number(&names::state::STATE_WRITE_FAILURES, state.write_failures);
    families.number(&names::state::STATE_READ_FAILURES, state.read_failures);
    families.number(&names::state::STATE_WRITTEN, state.written_s);
    families.number(&names::state::STATE_BYTES, state.bytes);
}

fn add_lanes(families: &mut Families, workers: &[WorkerReport], cluster: &ClusterReport) {
    let nodes = cluster.snapshot.nodes();
    families.number(&names::NODES, wide(nodes.len()));
    // A node without lanes is exported, too: its absence would go unnoticed.
    let mut lanes =
        nodes.iter().map(|node| (node.id, LaneGauges::default())).collect::<BTreeMap<_, _>>();
    for (node, gauges) in workers.iter().flat_map(|worker| &worker.gauges.lanes) {
        let sum = lanes.entry(*node).or_default();
        sum.open += gauges.open;
        sum.stalled += gauges.stalled;
        sum.draining += gauges.draining;
    }
    // A node that has left takes its series along, once its last lane is closed.
    let dials = cluster.dials.iter().filter(|dial| lanes.contains_key(&dial.node));
    let dials: Vec<&NodeDials> = dials.collect();
    let dials = dials.into_iter();
    let lanes = lanes.into_iter().flat_map(|(node, sum)| {
        let states = [("open", sum.open), ("stalled", sum.stalled), ("draining", sum.draining)];
        let name = node_name(cluster, node);
        states.map(|(state, count)| (vec![name.clone(), state.to_owned()], count))
    });
    families.numbers(&names::LANES, lanes);
    families.number(&names::LANES_BROKEN, total(workers, |tally| tally.lanes_broken));
    families.number(&names::HEARTBEAT_TIMEOUTS, total(workers, |tally| tally.heartbeat_timeouts));
    families.number(&names::LANES_STALLED, total(workers, |tally| tally.lanes_stalled));
    families.number(&names::UPSTREAM_IN_FLIGHT, held(workers, |gauges| gauges.in_flight));
    families.number(&names::ORPHANS, held(workers, |gauges| gauges.orphans));
    let results = dials.clone().flat_map(|dial| {
        let labels = |result: &str| vec![node_name(cluster, dial.node), result.to_owned()];
        dial.results.iter().map(move |(result, count)| (labels(result), *count))
    });
    families.numbers(&names::HANDSHAKES, results);
    let of_each = |count: fn(&NodeDials) -> u64| {
        dials.clone().map(move |dial| (vec![node_name(cluster, dial.node)], count(dial)))
    };
    families.numbers(&names::LANES_EXCESS, of_each(|dial| dial.excess));
    families.numbers(&names::SOURCE_PORTS_TAKEN, of_each(|dial| dial.ports_taken));
    families.numbers(&names::SHARD_MISMATCHES, of_each(|dial| dial.mismatches));
    let verdicts =
        dials.map(|dial| (vec![node_name(cluster, dial.node), dial.port_verdict.to_owned()], 1));
    families.numbers(&names::PORT_VERDICT, verdicts);
}

fn add_prepared(families: &mut Families, workers: &[WorkerReport]) {
    families.number(&names::PREPARED_ENTRIES, held(workers, |gauges| gauges.catalog_entries));
    families.number(&names::PREPARED_BYTES, held(workers, |gauges| gauges.catalog_bytes));
    families.number(&names::PREPARED_HITS, total(workers, |tally| tally.catalog_hits));
    families.number(&names::PREPARED_MISSES, total(workers, |tally| tally.catalog_misses));
    families.number(&names::PREPARED_ASKED, total(workers, |tally| tally.asked_to_prepare));
    families.number(&names::PREPARED_REPREPARES, total(workers, |tally| tally.reprepared));
    families.number(&names::PREPARED_SPREAD, total(workers, |tally| tally.spread));
    families.number(&names::PREPARED_NOT_SPREAD, total(workers, |tally| tally.not_spread));
    families.number(&names::shapes::SHAPES, held(workers, |gauges| gauges.shapes));
    families.number(&names::shapes::SHAPES_BYTES, held(workers, |gauges| gauges.shapes_bytes));
    families.number(&names::shapes::EXECUTED, total(workers, |tally| tally.texts_executed));
    families.number(&names::shapes::PREPARED, total(workers, |tally| tally.shapes_prepared));
    families.number(&names::shapes::GIVEN_UP, total(workers, |tally| tally.shapes_given_up));
    families.number(&names::shapes::FORGOTTEN, total(workers, |tally| tally.shapes_forgotten));
}

fn add_clients(families: &mut Families, workers: &[WorkerReport]) {
    families.number(&names::CLIENTS, held(workers, |gauges| gauges.clients));
    families.number(&names::NEWCOMERS, held(workers, |gauges| gauges.newcomers));
    let base = workers.iter().map(|worker| worker.gauges.memory_base).max().unwrap_or(0);
    families.number(&names::limits::MEMORY, base + held(workers, |gauges| gauges.memory_held));
    families.number(&names::limits::MEMORY_WAITS, total(workers, |tally| tally.memory_waits));
    families.number(&names::limits::MEMORY_REFUSALS, total(workers, |tally| tally.memory_refusals));
    families.number(&names::CLIENTS_OPENED, total(workers, |tally| tally.clients_opened));
    let started = [3, 4].into_iter().enumerate().flat_map(|(row, version)| {
        ["none", "lz4", "snappy"].into_iter().enumerate().map(move |(column, compression)| {
            let count = |tally: &Tally| {
                tally.started.get(row).and_then(|row| row.get(column)).copied().unwrap_or(0)
            };
            (vec![version.to_string(), compression.to_owned()], total(workers, count))
        })
    });
    families.numbers(&names::CLIENTS_STARTED, started);
    let rejected = [
        ("too_many", total(workers, |tally| tally.clients_refused)),
        ("memory", total(workers, |tally| tally.clients_closed_for_memory)),
        ("silent", total(workers, |tally| tally.clients_silent)),
        ("unread_answers", total(workers, |tally| tally.clients_cut_off)),
        ("broken_protocol", total(workers, |tally| tally.clients_broken)),
        ("newer_version", total(workers, |tally| tally.clients_newer)),
        ("login_withdrawn", total(workers, |tally| tally.clients_revoked)),
    ];
    let rejected = rejected.map(|(reason, count)| (vec![reason.to_owned()], count));
    families.numbers(&names::CLIENTS_REJECTED, rejected);
    let logins = [
        ("granted", total(workers, |tally| tally.logins_granted)),
        ("refused", total(workers, |tally| tally.logins_refused)),
        ("unknown", total(workers, |tally| tally.logins_unknown)),
    ];
    let logins = logins.map(|(result, count)| (vec![result.to_owned()], count));
    families.numbers(&names::LOGINS, logins);
    families.number(&names::CREDENTIALS, held(workers, |gauges| gauges.credentials));
}

fn add_tls(families: &mut Families, tls: &TlsReport) {
    let handshakes = tls.client_handshakes.iter();
    let handshakes = handshakes.map(|(result, count)| (vec![(*result).to_owned()], *count));
    families.numbers(&names::CLIENT_TLS_HANDSHAKES, handshakes);
    add_rotations(families, &tls.rotations);
}

/// Adds what became of replaced TLS files, and until when certificates are valid.
pub(super) fn add_rotations(families: &mut Families, rotations: &[RotationReport]) {
    let reloads = rotations.iter().flat_map(|rotation| {
        let results = [("loaded", rotation.loads), ("failed", rotation.failures)];
        let label = |result: &str| vec![rotation.side.to_owned(), result.to_owned()];
        results.map(|(result, count)| (label(result), count))
    });
    families.numbers(&names::TLS_RELOADS, reloads);
    let expiries = rotations
        .iter()
        .filter_map(|rotation| Some((vec![rotation.side.to_owned()], rotation.expires_s?)));
    families.numbers(&names::TLS_EXPIRY, expiries);
}

fn add_agreement(families: &mut Families, workers: &[WorkerReport]) {
    families.number(&names::AGREEMENT_WAITS, total(workers, |tally| tally.agreements));
    families.number(&names::AGREEMENT_TIMEOUTS, total(workers, |tally| tally.agreement_timeouts));
}

fn add_limits(families: &mut Families, limits: &Limits) {
    let limits = limits.by_key().filter_map(|(key, limit)| {
        let setting = key.strip_prefix("limits.")?;
        Some((vec![setting.to_owned()], limit))
    });
    families.numbers(&names::limits::LIMITS, limits);
}

fn total(workers: &[WorkerReport], count: impl Fn(&Tally) -> u64) -> u64 {
    workers.iter().map(|worker| count(&worker.tally)).sum()
}

fn held(workers: &[WorkerReport], count: impl Fn(&Gauges) -> u64) -> u64 {
    workers.iter().map(|worker| count(&worker.gauges)).sum()
}

/// A node as operators know it. One that has left has only our number.
fn node_name(cluster: &ClusterReport, node: NodeId) -> String {
    match cluster.snapshot.node(node) {
        Some(node) => node.address.to_string(),
        None => format!("left_{}", node.0),
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn merged(workers: &[WorkerReport], part: impl Fn(&Tally) -> &Histogram) -> Histogram {
    workers.iter().fold(Histogram::default(), |mut sum, worker| {
        sum.merge(part(&worker.tally));
        sum
    })
}

/// Feedback by table name, over all workers. Tables keep the places that they came in, so that no
/// series jumps between its own label and `other` from one scrape to the next.
fn fold_tables(workers: &[WorkerReport]) -> Vec<(String, Feedback)> {
    let mut tables: Vec<(String, Feedback)> = Vec::new();
    let mut places = HashMap::new();
    let length = workers.iter().map(|worker| worker.tally.feedback.len()).max().unwrap_or(0);
    let cells = (0..length).flat_map(|number| {
        workers.iter().filter_map(move |worker| {
            let feedback = *worker.tally.feedback.get(number)?;
            let name = worker.gauges.table_names.get(number).map_or(OTHER_TABLES, String::as_str);
            (feedback != Feedback::default()).then_some((name, feedback))
        })
    });
    for (name, feedback) in cells {
        let is_full = places.len() >= TABLES_MAX && !places.contains_key(name);
        let name = if is_full { OTHER_TABLES } else { name };
        let place = *places.entry(name).or_insert(tables.len());
        if place == tables.len() {
            tables.push((name.to_owned(), Feedback::default()));
        }
        if let Some((_, sum)) = tables.get_mut(place) {
            sum.add(feedback);
        }
    }
    tables
}

#[cfg(test)]
mod tests;
