//! What the live page is drawn from: one message of JSON, made of what all workers look like inside.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::admin::readiness::{ProcessState, Readiness};
use crate::collections::histogram::Histogram;
use crate::engine::view::inspection::{LaneState, LaneView};
use crate::engine::view::tally::{RequestKind, Tally};
use crate::facade::console::table::ConsoleTable;
use crate::routing::decision::Reason;
use crate::server::views::view::{StatementSum, TableSum, View, wide};
use crate::telemetry::report::WorkerReport;
use crate::topology::node::Node;

/// What it shows of the console.
pub(super) const SHOWN: [ConsoleTable; 4] =
    [ConsoleTable::Clients, ConsoleTable::Lanes, ConsoleTable::Routing, ConsoleTable::Statements];

/// Tables, statements and lines that are shown at most.
const TABLES_MAX: usize = 50;
const STATEMENTS_MAX: usize = 30;
const LINES_MAX: usize = 60;

/// The message.
#[must_use]
pub(super) fn message(
    view: &View,
    reports: &[WorkerReport],
    readiness: &Readiness,
    started_ms: i64,
) -> String {
    let sum = |count: fn(&Tally) -> u64| reports.iter().map(|it| count(&it.tally)).sum::<u64>();
    let merged = |part: fn(&Tally) -> &Histogram| {
        reports.iter().fold(Histogram::default(), |mut merged, report| {
            merged.merge(part(&report.tally));
            merged
        })
    };
    let (latency, own_time) = (merged(|tally| &tally.latency), merged(|tally| &tally.own_time));
    let tables = view.table_sums();
    let judged = tables.values().map(TableSum::judgement);
    let (hits, misses) = judged.fold((0, 0), |(hits, misses), it| (hits + it.0, misses + it.1));
    let lanes = || view.all_lanes().map(|(_, _, lane)| lane);
    let nodes: Vec<&Arc<Node>> = sorted(view);
    let open = lanes().filter(|lane| lane.state != LaneState::Draining).count();
    let wanted: usize =
        nodes.iter().map(|node| usize::from(view.shards_of(node.id).unwrap_or(0))).sum();
    let wanted = wanted * view.workers.len();
    let state = match readiness.state {
        ProcessState::Starting => "starting",
        ProcessState::Serving => "not ready",
        ProcessState::Draining => "stopping",
    };
    json!({
        "now_ms": view.unix_us / 1_000,
        "started_ms": started_ms,
        "version": env!("CARGO_PKG_VERSION"),
        "workers": view.workers.len(),
        "state": state,
        "reasons_not_ready": readiness.reasons,
        "totals": {
            "requests": sum(received),
            "hits": hits,
            "misses": misses,
            "latency_p50_us": latency.quantile(500),
            "latency_p99_us": latency.quantile(990),
            "own_p99_us": own_time.quantile(990),
            "clients": reports.iter().map(|report| report.gauges.clients).sum::<u64>(),
            "in_flight": reports.iter().map(|report| report.gauges.in_flight).sum::<u64>(),
        },
        "lanes": { "open": open, "missing": wanted.saturating_sub(open) },
        "nodes": nodes.iter().map(|node| heat(view, node)).collect::<Vec<_>>(),
        "lane_sums": nodes.iter().map(|node| lane_sum(view, node)).collect::<Vec<_>>(),
        "tables": table_rows(view),
        "reasons": reasons(view),
        "statements": statements(view),
        "clients": clients(view),
        "events": view.lines.iter().take(LINES_MAX).map(|line| json!({
            "at_ms": line.at_us / 1_000, "level": line.level, "message": line.message,
        })).collect::<Vec<_>>(),
    })
    .to_string()
}

/// Requests, but for those that set up a connection.
fn received(tally: &Tally) -> u64 {
    let all = RequestKind::ALL.into_iter().zip(tally.received);
    all.filter(|(kind, _)| *kind != RequestKind::Session).map(|(_, count)| count).sum()
}

fn sorted(view: &View) -> Vec<&Arc<Node>> {
    let mut nodes: Vec<_> = view.snapshot.nodes().iter().collect();
    nodes.sort_by_key(|node| node.address);
    nodes
}

/// What the heat map shows of a node: a number for each shard.
fn heat(view: &View, node: &Node) -> Value {
    let lanes = || view.all_lanes().map(|(_, _, lane)| lane).filter(|lane| lane.node == node.id);
    let seen = lanes().map(|lane| usize::from(lane.shard.0) + 1).max().unwrap_or(0);
    let shards = seen.max(usize::from(view.shards_of(node.id).unwrap_or(0)));
    let by_shard = |count: fn(&LaneView) -> u64| {
        let mut counts = vec![0_u64; shards];
        for lane in lanes() {
            if let Some(sum) = counts.get_mut(usize::from(lane.shard.0)) {
                *sum += count(lane);
            }
        }
        counts
    };
    json!({
        "address": node.address.to_string(),
        "data_center": &*node.data_center,
        "rack": &*node.rack,
        "lanes": by_shard(|lane| u64::from(lane.state != LaneState::Draining)),
        "requests": by_shard(|lane| lane.requests),
        "answered": by_shard(|lane| lane.answered),
        "waited_us": by_shard(|lane| lane.waited_us),
        "in_flight": by_shard(|lane| wide(lane.in_flight)),
    })
}

fn lane_sum(view: &View, node: &Node) -> Value {
    let lanes = || view.all_lanes().map(|(_, _, lane)| lane).filter(|lane| lane.node == node.id);
    let count = |wanted: &[LaneState]| lanes().filter(|lane| wanted.contains(&lane.state)).count();
    let dial = view.dials.iter().find(|dial| dial.node == node.id);
    json!({
        "node": node.address.to_string(),
        "shards": view.shards_of(node.id).unwrap_or(0),
        "open": count(&[LaneState::Open, LaneState::Full]),
        "stalled": count(&[LaneState::Stalled]),
        "draining": count(&[LaneState::Draining]),
        "in_flight": lanes().map(|lane| lane.in_flight).sum::<usize>(),
        "port": dial.map(|dial| dial.port_verdict),
    })
}

/// The tables with the most requests.
fn table_rows(view: &View) -> Vec<Value> {
    let mut tables: Vec<_> = view.table_sums().into_iter().collect();
    tables.retain(|(_, sum)| sum.is_present && sum.total() > 0);
    tables.sort_by_key(|(_, sum)| Reverse(sum.total()));
    let row = |((keyspace, table), sum): ((&str, &str), TableSum)| {
        json!({
            "name": format!("{keyspace}.{table}"),
            "found_by": sum.found_by.name(),
            "tablets": sum.tablets,
            "requests": sum.total(),
            "to_replica": sum.routed(),
            "judged": sum.judged().is_some(),
            "hits": sum.judgement().0,
            "misses": sum.judgement().1,
        })
    };
    tables.into_iter().take(TABLES_MAX).map(row).collect()
}

fn reasons(view: &View) -> Vec<Value> {
    let mut counts = view.without_table();
    for sum in view.table_sums().into_values() {
        for (count, of_table) in counts.iter_mut().zip(sum.requests) {
            *count += of_table;
        }
    }
    let mut all: Vec<_> =
        Reason::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect();
    all.sort_by_key(|(_, count)| Reverse(*count));
    let row = |(reason, count): (Reason, u64)| {
        json!({
            "reason": reason.label(),
            "requests": count,
            "to_replica": reason.is_routed(),
            "advice": reason.hint(),
        })
    };
    all.into_iter().map(row).collect()
}

/// Statements that cannot be routed, then the slowest.
fn statements(view: &View) -> Vec<Value> {
    let mut statements = view.statement_sums();
    statements.retain(|sum| sum.requests > 0);
    let is_routed = |sum: &StatementSum| sum.route().1.is_none();
    statements.sort_by_key(|sum| (is_routed(sum), Reverse(sum.mean_us())));
    let row = |sum: StatementSum| {
        let (route, hint) = sum.route();
        json!({
            "statement": sum.text(),
            "requests": sum.requests,
            "mean_us": sum.mean_us(),
            "route": route,
            "advice": hint,
        })
    };
    statements.into_iter().take(STATEMENTS_MAX).map(row).collect()
}

fn clients(view: &View) -> Vec<Value> {
    let mut sums: BTreeMap<(&str, &str, u8), (u64, u64)> = BTreeMap::new();
    for client in view.workers.iter().flat_map(|worker| &worker.clients) {
        let driver = client.driver.as_ref();
        let (name, version) =
            driver.map_or(("unknown", ""), |(name, version)| (name.as_str(), version.as_str()));
        let sum = sums.entry((name, version, client.version.unwrap_or(0))).or_default();
        sum.0 += 1;
        sum.1 += u64::from(client.in_flight);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, (clients, _))| Reverse(*clients));
    let row =
        |((driver, version, protocol), (clients, in_flight)): ((&str, &str, u8), (u64, u64))| {
            json!({
                "driver": driver,
                "version": version,
                "protocol": protocol,
                "clients": clients,
                "in_flight": in_flight,
            })
        };
    sums.into_iter().take(TABLES_MAX).map(row).collect()
}
