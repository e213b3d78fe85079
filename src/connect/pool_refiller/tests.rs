//! A refiller at work on a fake node.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::connect::dialer::DialSettings;
use crate::connect::fake_node::FakeNode;
use crate::pool::dial_schedule::EXCESS_PER_SHARD;
use crate::pool::node_target::ShardPort;

const QUICK: BackoffSettings = BackoffSettings { first_ms: 5, max_ms: 40, quiet_ms: 60_000 };

#[tokio::test]
async fn every_shard_gets_its_lane_and_nothing_is_opened_in_vain() {
    let node = FakeNode::start("127.0.62.21", 6).await;
    let mut kept = Kept::start(&node, None);
    assert_eq!(kept.shards(6).await, (0..6).collect());
    assert_eq!(node.accepted.load(Ordering::Relaxed), 6);
    assert_eq!(kept.gate.stats.counts().verdict, PortVerdict::Direct);
}

#[tokio::test]
async fn a_node_has_one_lane_where_that_is_all_that_is_asked_for() {
    let node = FakeNode::start("127.0.62.29", 6).await;
    let settings = DialSettings { lanes: Wanted::One, ..DialSettings::default() };
    let mut kept = Kept::with(settings, node.plain, None);
    kept.shards(1).await;
    let more = timeout(Duration::from_millis(100), kept.reports.recv()).await;
    assert!(more.is_err(), "{more:?}");
    assert_eq!(node.accepted.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn behind_nat_the_plain_port_still_covers_every_shard() {
    let node = FakeNode::start("127.0.62.22", 4).await;
    node.nat.store(true, Ordering::Relaxed);
    let mut kept = Kept::start(&node, None);
    assert_eq!(kept.shards(4).await, (0..4).collect());
    assert_eq!(kept.gate.stats.counts().verdict, PortVerdict::Rewritten);
    assert!(node.accepted.load(Ordering::Relaxed) <= 4 + 4 * EXCESS_PER_SHARD);
}

#[tokio::test]
async fn a_shard_aware_port_that_does_not_answer_is_left_alone() {
    let node = FakeNode::start("127.0.62.23", 3).await;
    node.aware_broken.store(true, Ordering::Relaxed);
    let mut kept = Kept::start(&node, None);
    assert_eq!(kept.shards(3).await, (0..3).collect());
    assert_eq!(kept.gate.stats.counts().verdict, PortVerdict::Closed);
}

#[tokio::test]
async fn a_lost_lane_is_opened_again_on_its_shard() {
    let node = FakeNode::start("127.0.62.24", 3).await;
    let mut kept = Kept::start(&node, None);
    kept.shards(3).await;
    let lost = kept.lanes.swap_remove(1);
    kept.inputs.send(RefillerInput::LaneDown(lost.0)).await.unwrap();
    let shard = lost.1.shard;
    drop(lost);

    kept.lanes.clear();
    assert_eq!(kept.shards(1).await, BTreeSet::from([shard.0]));
}

#[tokio::test]
async fn a_node_restarted_with_more_shards_is_reported_before_its_lanes() {
    let node = FakeNode::start("127.0.62.25", 2).await;
    let mut kept = Kept::start(&node, None);
    kept.shards(2).await;
    node.nr_shards.store(5, Ordering::Relaxed);
    node.kick.notify_waiters();
    for (serial, _) in kept.lanes.drain(..) {
        kept.inputs.send(RefillerInput::LaneDown(serial)).await.unwrap();
    }

    assert_eq!(kept.shards(5).await, (0..5).collect());
    assert_eq!(kept.resharded, 1);
}

#[tokio::test]
async fn a_node_that_is_away_is_tried_until_it_is_back() {
    let gone = std::net::TcpListener::bind("127.0.62.26:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let mut kept = Kept::at(address, 19_042, None);
    for _ in 0..6 {
        let report = kept.report().await;
        assert!(matches!(report, LaneReport::Failed { retry_in_ms: 0..=40, .. }), "{report:?}");
    }
    assert_eq!(kept.gate.stats.counts().opened, 0);
    assert!(kept.gate.stats.counts().unreachable >= 6);
}

#[tokio::test]
async fn a_keyspace_has_one_lane_a_node() {
    let node = FakeNode::start("127.0.62.27", 4).await;
    let mut kept = Kept::start(&node, Some("Shop \"1\""));
    kept.shards(1).await;
    let more = timeout(Duration::from_millis(100), kept.reports.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_keeper_ends_with_its_inputs() {
    let node = FakeNode::start("127.0.62.28", 1).await;
    let mut kept = Kept::start(&node, None);
    kept.shards(1).await;
    let Kept { inputs, mut reports, .. } = kept;
    drop(inputs);
    let end = timeout(Duration::from_secs(10), reports.recv()).await.unwrap();
    assert!(end.is_none(), "{end:?}");
}

struct Kept {
    gate: Arc<NodeGate>,
    inputs: Sender<RefillerInput>,
    reports: Receiver<LaneReport>,
    lanes: Vec<(LaneSerial, OpenedLane)>,
    resharded: usize,
}

impl Kept {
    fn start(node: &FakeNode, keyspace: Option<&str>) -> Self {
        Self::at(node.plain, node.aware.port(), keyspace)
    }

    fn at(address: std::net::SocketAddr, port: u16, keyspace: Option<&str>) -> Self {
        let settings =
            DialSettings { shard_aware_port_default: Some(port), ..DialSettings::default() };
        Self::with(settings, address, keyspace)
    }

    fn with(settings: DialSettings, address: std::net::SocketAddr, keyspace: Option<&str>) -> Self {
        let gate = Arc::new(NodeGate::default());
        let mut pool = PoolKey::plain(None);
        pool.keyspace = keyspace.map(Arc::from);
        let refiller = PoolRefiller {
            dialer: Arc::new(Dialer::new(settings)),
            target: NodeTarget {
                node: NodeId(0),
                host: None,
                address,
                shard_port: ShardPort::AsTold,
            },
            gate: Arc::clone(&gate),
            pool,
            backoff: (QUICK, u64::from(address.port())),
            first: None,
        };
        let (inputs, keeper_inputs) = mpsc::channel(8);
        let (keeper_reports, reports) = mpsc::channel(2);
        tokio::spawn(keep(refiller, keeper_inputs, keeper_reports));
        Self { gate, inputs, reports, lanes: Vec::new(), resharded: 0 }
    }

    async fn report(&mut self) -> LaneReport {
        timeout(Duration::from_secs(20), self.reports.recv()).await.unwrap().unwrap()
    }

    /// Waits until `count` lanes are up, and tells their shards.
    async fn shards(&mut self, count: usize) -> BTreeSet<u16> {
        while self.lanes.len() < count {
            match self.report().await {
                LaneReport::Up { serial, lane, .. } => self.lanes.push((serial, lane)),
                LaneReport::Failed { .. } => {}
                LaneReport::Resharded { sharder, .. } => {
                    assert_eq!(sharder.unwrap().nr_shards().get(), 5);
                    self.resharded += 1;
                }
            }
        }
        self.lanes.iter().map(|(_, lane)| lane.shard.0).collect()
    }
}
