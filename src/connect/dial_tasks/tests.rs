//! Pools at work on nodes with real sockets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::connect::dialer::DialSettings;
use crate::connect::fake_node::FakeNode;
use crate::connect::fake_worker::FakeWorker;
use crate::pool::action::PoolNotice;
use crate::pool::nodes::node_state::PortVerdict;
use crate::pool::nodes::node_target::{NodeTarget, ShardPort};
use crate::pool::refill::backoff::BackoffSettings;
use crate::pool::refill::dial_schedule::EXCESS_PER_SHARD;
use crate::pool::refill::lane_slots::WantedLanes;
use crate::topology::id::NodeId;
use sim::ClusterOptions;
use sim::SimHandle;
use sim::SimOptions;

const QUICK: BackoffSettings = BackoffSettings { first_ms: 5, max_ms: 40, quiet_ms: 60_000 };

#[tokio::test]
async fn every_shard_gets_its_lane_and_nothing_is_opened_in_vain() {
    let node = FakeNode::start("127.0.62.21", 6).await;
    let mut worker = at_node(&node);
    assert_eq!(shards(&mut worker, 6).await, (0..6).collect());
    assert_eq!(node.accepted.load(Ordering::Relaxed), 6);
    assert_eq!(worker.nodes.of(NodeId(0)).verdict(), PortVerdict::Direct);
}

#[tokio::test]
async fn a_node_has_one_lane_where_that_is_all_that_is_asked_for() {
    let node = FakeNode::start("127.0.62.29", 6).await;
    let settings = DialSettings { lanes: WantedLanes::One, ..DialSettings::default() };
    let mut worker = worker_at(node.plain, settings);
    shards(&mut worker, 1).await;
    worker.run_for(Duration::from_millis(100)).await;
    assert_eq!((worker.lanes.len(), node.accepted.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn the_plain_port_behind_nat_still_covers_every_shard() {
    let node = FakeNode::start("127.0.62.22", 4).await;
    node.nat.store(true, Ordering::Relaxed);
    let mut worker = at_node(&node);
    assert_eq!(shards(&mut worker, 4).await, (0..4).collect());
    let state = worker.nodes.of(NodeId(0));
    assert_eq!(state.verdict(), PortVerdict::Rewritten);
    // Those that were on their way when the first came astray.
    assert!((1..=2).contains(&state.mismatches()), "{}", state.mismatches());
    assert!(node.accepted.load(Ordering::Relaxed) <= 4 + 4 * EXCESS_PER_SHARD);
}

#[tokio::test]
async fn a_shard_aware_port_that_does_not_answer_is_left_alone() {
    let node = FakeNode::start("127.0.62.23", 3).await;
    node.aware_broken.store(true, Ordering::Relaxed);
    let mut worker = at_node(&node);
    assert_eq!(shards(&mut worker, 3).await, (0..3).collect());
    assert_eq!(worker.nodes.of(NodeId(0)).verdict(), PortVerdict::Closed);
    assert!(
        matches!(&worker.notices[..], [PoolNotice::NoLane { hint, .. }]
            if hint.contains("lanes.shard_aware_port")),
        "{:?}",
        worker.notices
    );
}

#[tokio::test]
async fn a_node_that_answers_at_neither_port_is_not_called_up() {
    let node = FakeNode::start("127.0.62.31", 3).await;
    let mut worker = at_node(&node);
    shards(&mut worker, 3).await;
    node.away.store(true, Ordering::Relaxed);
    node.kick.notify_waiters();
    for lane in worker.lanes.values().map(|(lane, ..)| *lane).collect::<Vec<_>>() {
        worker.lose(lane);
    }
    worker.run_until("a line", |worker| !worker.notices.is_empty()).await;
    let is_lost = matches!(&worker.notices[..], [PoolNotice::NodeLost { .. }]);
    assert!(is_lost, "{:?}", worker.notices);
}

#[tokio::test]
async fn the_shard_aware_port_is_left_alone_when_no_source_port_is_free() {
    let node = FakeNode::start("127.0.62.30", 2).await;
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let settings = DialSettings {
        source_ports: port..=port,
        shard_aware_port_default: Some(node.aware.port()),
        ..DialSettings::default()
    };
    let mut worker = worker_at(node.plain, settings);
    assert_eq!(shards(&mut worker, 2).await, (0..2).collect());
    assert_eq!(worker.nodes.of(NodeId(0)).verdict(), PortVerdict::NoSourcePort);
}

#[tokio::test]
async fn a_lost_lane_is_opened_again_on_its_shard() {
    let node = FakeNode::start("127.0.62.24", 3).await;
    let mut worker = at_node(&node);
    shards(&mut worker, 3).await;
    let (lost, shard) = worker.lanes.values().nth(1).map(|it| (it.0, it.1.shard)).unwrap();
    worker.lose(lost);
    assert!(worker.lanes.values().all(|(_, it, _)| it.shard != shard));
    assert_eq!(shards(&mut worker, 3).await, (0..3).collect());
}

#[tokio::test]
async fn a_node_restarted_with_more_shards_gets_all_its_lanes_anew() {
    let node = FakeNode::start("127.0.62.25", 2).await;
    let mut worker = at_node(&node);
    shards(&mut worker, 2).await;
    node.nr_shards.store(5, Ordering::Relaxed);
    node.kick.notify_waiters();
    let lost: Vec<_> = worker.lanes.values().map(|(lane, ..)| *lane).collect();
    worker.lose(lost[0]);
    // The other one is known by the new number of shards alone.
    assert_eq!(shards(&mut worker, 5).await, (0..5).collect());
    let resharded = |notice: &&PoolNotice| matches!(notice, PoolNotice::Resharded { .. });
    assert_eq!(worker.notices.iter().filter(resharded).count(), 1);
}

#[tokio::test]
async fn a_node_that_is_away_is_tried_until_it_is_back_and_costs_one_line() {
    let gone = std::net::TcpListener::bind("127.0.62.26:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let mut worker = worker_at(address, DialSettings::default());
    worker.use_keyspace("ks");
    worker.run_until("tries", |worker| worker.failures >= 12 && !worker.notices.is_empty()).await;
    let state = worker.nodes.of(NodeId(0));
    assert!(
        matches!(&worker.notices[..], [PoolNotice::NodeLost { target, reason, .. }]
        if target.address == address && reason.contains(&address.to_string())
            && reason.contains("refused")),
        "{:?}",
        worker.notices
    );
    assert_eq!(state.excess(), 0);

    let _back = std::net::TcpListener::bind(address).unwrap();
    assert!(state.on_reached(clock_ms()).is_some());
}

#[tokio::test]
async fn a_node_that_leaves_the_cluster_soon_after_its_connections_costs_no_line() {
    let gone = std::net::TcpListener::bind("127.0.62.29:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let mut worker = worker_at(address, DialSettings::default());
    worker.use_keyspace("ks");
    worker.run_until("tries", |worker| worker.failures >= 4).await;
    worker.use_nodes(Vec::new());
    worker.run_for(Duration::from_millis(100)).await;
    assert!(worker.notices.is_empty(), "{:?}", worker.notices);
}

#[tokio::test]
async fn a_keyspace_has_one_lane_a_node() {
    let node = FakeNode::start("127.0.62.27", 4).await;
    let mut worker = at_node(&node);
    shards(&mut worker, 4).await;
    worker.use_keyspace("Shop \"1\"");
    worker.run_until("the keyspace", |worker| worker.lanes.len() == 5).await;
    worker.run_for(Duration::from_millis(100)).await;
    assert_eq!(worker.lanes.len(), 5);
}

#[tokio::test]
async fn a_node_that_is_left_is_dialled_no_more() {
    let node = FakeNode::start("127.0.62.28", 1).await;
    let mut worker = at_node(&node);
    shards(&mut worker, 1).await;
    worker.use_nodes(Vec::new());
    worker.run_for(Duration::from_millis(100)).await;
    assert_eq!((worker.lanes.len(), node.accepted.load(Ordering::Relaxed)), (0, 1));
}

#[tokio::test]
async fn proxy_headers_behind_nat_open_each_shard_once_and_nothing_in_excess() {
    let cluster = ClusterOptions {
        address: "127.0.64.102".parse().unwrap(),
        port: 0,
        shard_aware_port: 0,
        proxy_port: Some(0),
        nat: true,
        nodes: 1,
        shards: 8,
        ..ClusterOptions::default()
    };
    let sim = SimHandle::spawn(SimOptions { cluster, api: None, tls: None }).unwrap();
    let address = sim.contact_points()[0];
    let port = sim.with(|cluster, _| cluster.options.proxy_port).unwrap().unwrap();
    let settings = DialSettings { proxy_protocol_port: Some(port), ..DialSettings::default() };
    let mut worker = worker_at(address, settings);
    assert_eq!(shards(&mut worker, 8).await, (0..8).collect());
    let state = worker.nodes.of(NodeId(0));
    assert_eq!((worker.failures, state.excess(), state.mismatches()), (0, 0, 0));
    sim.stop().unwrap();
}

fn clock_ms() -> u64 {
    crate::platform::clock::now_ms()
}

fn at_node(node: &FakeNode) -> FakeWorker {
    let port = Some(node.aware.port());
    worker_at(
        node.plain,
        DialSettings { shard_aware_port_default: port, ..DialSettings::default() },
    )
}

fn worker_at(address: SocketAddr, settings: DialSettings) -> FakeWorker {
    let mut worker = FakeWorker::new(settings, QUICK, None);
    let shard_port = ShardPort::AsAdvertised;
    worker.use_nodes(vec![NodeTarget { node: NodeId(0), host: None, address, shard_port }]);
    worker
}

/// Waits until `count` lanes are up; their shards.
async fn shards(worker: &mut FakeWorker, count: usize) -> BTreeSet<u16> {
    worker.run_until("lanes", |worker| worker.lanes.len() == count).await;
    worker.lanes.values().map(|(_, connection, _)| connection.shard.0).collect()
}
