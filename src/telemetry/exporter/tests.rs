//! The page as a scraper reads it.

use std::net::IpAddr;

use super::*;
use crate::telemetry::names::page_order::ALL;
use crate::telemetry::report::RotationReport;
use crate::topology::id::HostId;
use crate::topology::node::Node;
use crate::topology::snapshot::SnapshotBuilder;
use cql::opcode::Opcode;

fn worker() -> WorkerReport {
    let mut tally = Tally::default();
    for _ in 0..3 {
        tally.on_received(RequestKind::of(Opcode::Execute));
        tally.on_decision(Reason::TabletReplica);
        tally.latency.record(100);
    }
    tally.on_ended(RequestKind::Execute, Outcome::Answered);
    tally.on_ended(RequestKind::Execute, Outcome::Refused);
    tally.own_time.record(3);
    tally.feedback = vec![
        Feedback { hits: 5, misses: 1, ..Feedback::default() },
        Feedback { misses: 2, ..Feedback::default() },
    ];
    let gauges = Gauges {
        table_names: vec!["shop.orders".to_owned(), "shop.carts".to_owned()],
        clients: 2,
        tablets: 32,
        lanes: [(NodeId(0), LaneGauges { open: 2, stalled: 3, draining: 1 })].into(),
        ..Gauges::default()
    };
    WorkerReport { tally, gauges }
}

fn node(number: u16) -> Node {
    let last = u8::try_from(number).unwrap() + 1;
    Node {
        id: NodeId(number),
        host: HostId([last; 16]),
        address: IpAddr::from([10, 0, 0, last]),
        port: 9042,
        data_center: "dc1".into(),
        rack: "rack1".into(),
        tokens: Vec::new(),
    }
}

fn cluster() -> ClusterReport {
    let dial = |node| NodeDials {
        node: NodeId(node),
        results: vec![("opened", 2), ("refused", 1)],
        excess: 0,
        ports_taken: 0,
        mismatches: 0,
        port_verdict: "direct",
    };
    let snapshot = SnapshotBuilder::new(1, vec![node(0), node(1)]).build();
    ClusterReport {
        snapshot: snapshot.into(),
        dials: vec![dial(0), dial(7)],
        tls: TlsReport {
            rotations: vec![RotationReport {
                side: "clients",
                loads: 1,
                failures: 0,
                expires_s: Some(4_000_000_000),
            }],
            client_handshakes: vec![("done", 3)],
        },
        ..ClusterReport::default()
    }
}

/// The value of the sample that is written exactly so.
fn sample(page: &str, sample: &str) -> f64 {
    let found = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {sample} in\n{page}")).parse().unwrap()
}

#[test]
fn workers_are_added_up() {
    let page = render(&[worker(), worker()], &cluster(), Format::Text).unwrap();
    for (name, value) in [
        ("shardlane_requests_received_total{op=\"execute\"}", 6.0),
        ("shardlane_requests_total{op=\"execute\",outcome=\"answered\"}", 2.0),
        ("shardlane_requests_total{op=\"execute\",outcome=\"refused\"}", 2.0),
        ("shardlane_routing_total{reason=\"tablet_replica\"}", 6.0),
        ("shardlane_routing_total{reason=\"no_key\"}", 0.0),
        ("shardlane_tablet_feedback_total{table=\"shop.orders\"}", 2.0),
        ("shardlane_tablet_hits_total{table=\"shop.orders\"}", 10.0),
        ("shardlane_lanes{node=\"10.0.0.1\",state=\"open\"}", 4.0),
        ("shardlane_lanes{node=\"10.0.0.1\",state=\"stalled\"}", 6.0),
        ("shardlane_lanes{node=\"10.0.0.1\",state=\"draining\"}", 2.0),
        ("shardlane_lanes{node=\"10.0.0.2\",state=\"open\"}", 0.0),
        ("shardlane_nodes", 2.0),
        ("shardlane_handshakes_total{node=\"10.0.0.1\",result=\"refused\"}", 1.0),
        ("shardlane_tablet_map_entries", 64.0),
        ("shardlane_client_connections", 4.0),
        ("shardlane_limit{setting=\"clients_max\"}", 10_000.0),
        ("shardlane_limit{setting=\"outbox_low_bytes\"}", 262_144.0),
    ] {
        assert!((sample(&page, name) - value).abs() < f64::EPSILON, "{name}");
    }
}

#[test]
fn durations_are_told_in_seconds_and_cumulate() {
    let page = render(&[worker()], &cluster(), Format::Text).unwrap();
    for (name, value) in [
        ("shardlane_request_duration_seconds_bucket{le=\"0.000064\"}", 0.0),
        ("shardlane_request_duration_seconds_bucket{le=\"0.000128\"}", 3.0),
        ("shardlane_request_duration_seconds_bucket{le=\"33.554432\"}", 3.0),
        ("shardlane_request_duration_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("shardlane_request_duration_seconds_count", 3.0),
        ("shardlane_request_duration_seconds_sum", 0.0003),
        ("shardlane_proxy_overhead_seconds_bucket{le=\"0.000004\"}", 1.0),
    ] {
        assert!((sample(&page, name) - value).abs() < 1e-9, "{name}");
    }
}

#[test]
fn every_named_metric_is_on_the_page_once_and_no_other() {
    let page = render(&[worker()], &cluster(), Format::Text).unwrap();
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = families.filter_map(|line| line.split_whitespace().next());
    let (ours, others): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with("shardlane_"));
    assert_eq!(ours, ALL.iter().map(|metric| metric.name).collect::<Vec<_>>());
    assert!(others.iter().all(|name| name.starts_with("process_")), "{others:?}");
    assert!(others.contains(&"process_resident_memory_bytes"), "{others:?}");
}

#[test]
fn both_formats_have_the_same_series_with_the_same_values() {
    let text = render(&[worker()], &cluster(), Format::Text).unwrap();
    let open = render(&[worker()], &cluster(), Format::OpenMetrics).unwrap();
    let series = |page: &str| {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        // What the process itself uses goes on changing.
        let lines = lines.filter(|line| !line.starts_with("process_")).map(str::to_owned);
        lines.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(series(&open), series(&text));
    assert!(series(&text).len() > 100);
    assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1);
    // Samples of a family follow its name, and a counter's have the suffix that it has not.
    let (mut family, mut kind) = ("", "");
    for line in open.lines().filter(|line| *line != "# EOF" && !line.starts_with("# HELP ")) {
        if let Some(named) = line.strip_prefix("# TYPE ") {
            (family, kind) = named.split_once(' ').unwrap();
            assert!(!family.ends_with("_total"), "{line}");
            continue;
        }
        let end = line.find(['{', ' ']).unwrap();
        let suffix = line[..end].strip_prefix(family).unwrap();
        let allowed: &[&str] = match kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            other => panic!("{other}"),
        };
        assert!(allowed.contains(&suffix), "{line} is in {family}");
    }
}

#[test]
fn a_process_without_workers_has_a_page_too() {
    let page = render(&[], &ClusterReport::default(), Format::Text).unwrap();
    let version = concat!("shardlane_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    assert!((sample(&page, version) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_node_that_left_has_no_series() {
    let page = |workers: &[WorkerReport]| render(workers, &cluster(), Format::Text).unwrap();
    assert!(!page(&[worker()]).contains("left_7"), "node 7 was dialled once, and is no more");
    let mut worker = worker();
    worker.gauges.lanes.insert(NodeId(7), LaneGauges { draining: 1, ..LaneGauges::default() });
    let opened = "shardlane_handshakes_total{node=\"left_7\",result=\"opened\"}";
    assert!(page(&[worker]).contains(opened), "its last lane is not closed yet");
}

#[test]
fn tables_beyond_the_cap_share_a_label_and_lose_nothing() {
    let count = TABLES_MAX + 20;
    let mut worker = worker();
    worker.tally.feedback =
        vec![Feedback { hits: 1, misses: 3, text_hits: 2, text_misses: 0 }; count];
    worker.gauges.table_names = (0..count - 1).map(|number| format!("ks.t{number}")).collect();
    let tables = fold_tables(&[worker.clone(), worker]);
    assert_eq!(tables.len(), TABLES_MAX + 1);
    let (name, other) = tables.last().unwrap();
    assert_eq!((name.as_str(), other.hits, other.misses), (OTHER_TABLES, 40, 120));
    assert_eq!(tables.iter().map(|(_, feedback)| feedback.misses).sum::<u64>(), 6 * count as u64);
}
