//! Dialling a fake node on real sockets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::connect::fake_node::FakeNode;
use crate::pool::login::credential::Credential;
use crate::pool::nodes::node_target::ShardPort;
use crate::topology::id::{HostId, NodeId};
use cql::error_code::ErrorCode;

#[tokio::test]
async fn a_source_port_leads_to_its_shard() {
    let node = FakeNode::start("127.0.62.11", 5).await;
    let gate = NodeGate::default();
    for shard in [4, 0, 3] {
        let lane = open(&node, &gate, aim(&node, shard, 5)).await.unwrap();
        assert_eq!(lane.shard, ShardId(shard));
        assert_eq!(lane.stream.tcp().unwrap().local_addr().unwrap().port() % 5, shard);
    }
    assert_eq!(gate.stats.counts().opened, 3);
}

#[tokio::test]
async fn a_connection_whose_source_port_was_rewritten_is_kept() {
    let node = FakeNode::start("127.0.62.12", 3).await;
    node.nat.store(true, Ordering::Relaxed);
    let gate = NodeGate::default();
    let lane = open(&node, &gate, aim(&node, 1, 3)).await.unwrap();

    assert_eq!(lane.shard, ShardId(2));

    node.nat.store(false, Ordering::Relaxed);
    assert_eq!(open(&node, &gate, aim(&node, 1, 3)).await.unwrap().shard, ShardId(1));
}

#[tokio::test]
async fn a_connection_brings_another_number_of_shards_than_before() {
    let node = FakeNode::start("127.0.62.13", 7).await;
    let gate = NodeGate::default();
    let lane = open(&node, &gate, aim(&node, 1, 2)).await.unwrap();

    assert_eq!(lane.sharder, Sharder::new(7, 12).ok());
}

#[tokio::test]
async fn a_taken_source_port_is_passed_over() {
    let node = FakeNode::start("127.0.62.14", 2).await;
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    // Only the taken port leads to the shard, then it and its neighbour do.
    let mut settings = DialSettings { source_ports: port..=port, ..DialSettings::default() };
    let gate = NodeGate::default();
    let aim = Dial::Shard {
        shard: ShardId(port % 2),
        sharder: Sharder::new(2, 12).unwrap(),
        port: node.aware.port(),
        start: 0,
    };
    let plain = PoolKey::plain(None);
    let dialer = Dialer::new(settings.clone());
    let error = dialer.open(&target(&node), &gate, &plain, aim, 0).await.unwrap_err();
    assert!(matches!(error.error, DialError::SourcePorts { tried: 1, .. }), "{error:?}");

    settings.source_ports = port..=port.saturating_add(40);
    let dialer = Dialer::new(settings);
    let lane = dialer.open(&target(&node), &gate, &plain, aim, 0).await.unwrap();
    assert_eq!(lane.shard, ShardId(port % 2));
    assert!(gate.stats.counts().bind_errors >= 2);
}

#[tokio::test]
async fn a_node_without_shards_has_shard_0_alone() {
    let node = FakeNode::start("127.0.62.15", 0).await;
    let lane = open(&node, &NodeGate::default(), Dial::Any).await.unwrap();
    assert_eq!((lane.shard, lane.sharder), (ShardId(0), None));
}

#[tokio::test]
async fn an_address_that_another_host_took_over_is_refused() {
    let node = FakeNode::start("127.0.62.19", 2).await;
    let found = HostId([0xab; 16]);
    let mut moved = target(&node);
    moved.host = Some(found);
    let (gate, plain) = (NodeGate::default(), PoolKey::plain(None));
    assert!(Dialer::default().open(&moved, &gate, &plain, Dial::Any, 0).await.is_ok());

    let expected = HostId([1; 16]);
    moved.host = Some(expected);
    let error = Dialer::default().open(&moved, &gate, &plain, Dial::Any, 0).await.unwrap_err();
    let address = node.plain;
    let text = format!("{address}: host {found} answers, expected {expected}");
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_lane_is_bound_to_credential_and_keyspace() {
    let node = FakeNode::start("127.0.62.16", 2).await;
    node.auth.store(true, Ordering::Relaxed);
    let gate = NodeGate::default();
    let dialer = Dialer::default();
    let mut pool = PoolKey::plain(Some(Arc::new(Credential::plain("bob", "right"))));
    pool.keyspace = Some("Shop \"1\"".into());
    assert!(dialer.open(&target(&node), &gate, &pool, Dial::Any, 0).await.is_ok());

    pool.keyspace = Some("nope".into());
    let error = dialer.open(&target(&node), &gate, &pool, Dial::Any, 0).await.unwrap_err();
    assert_eq!(error.error.server_error().unwrap().code, ErrorCode::INVALID);

    pool.credential = Some(Arc::new(Credential::plain("bob", "wrong")));
    let error = dialer.open(&target(&node), &gate, &pool, Dial::Any, 0).await.unwrap_err();
    assert_eq!(error.error.server_error().unwrap().code, ErrorCode::BAD_CREDENTIALS);
    assert_eq!(gate.stats.counts().refused, 2);
}

#[tokio::test]
async fn a_silent_node_is_given_up_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.62.17:0").await.unwrap();
    let settings = DialSettings { handshake_timeout_ms: 20, ..DialSettings::default() };
    let address = listener.local_addr().unwrap();
    let target =
        NodeTarget { node: NodeId(0), host: None, address, shard_port: ShardPort::AsAdvertised };
    let gate = NodeGate::default();
    let plain = PoolKey::plain(None);
    let error = Dialer::new(settings).open(&target, &gate, &plain, Dial::Any, 1).await;

    let error = error.unwrap_err();
    let expected = format!("{address}: no answer within 40 ms during OPTIONS");
    assert_eq!(error.to_string(), expected);
    assert_eq!(gate.stats.counts().timed_out, 1);
}

#[tokio::test]
async fn a_closed_port_is_named() {
    let listener = std::net::TcpListener::bind("127.0.62.18:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target =
        NodeTarget { node: NodeId(0), host: None, address, shard_port: ShardPort::AsAdvertised };
    let gate = NodeGate::default();
    let error = Dialer::default().open(&target, &gate, &PoolKey::plain(None), Dial::Any, 0).await;
    assert_eq!(error.unwrap_err().to_string(), format!("{address}: cannot connect"));
    assert_eq!(gate.stats.counts().unreachable, 1);
}

async fn open(node: &FakeNode, gate: &NodeGate, aim: Dial) -> Result<OpenedLane, DialErrorAt> {
    Dialer::default().open(&target(node), gate, &PoolKey::plain(None), aim, 0).await
}

fn aim(node: &FakeNode, shard: u16, nr_shards: u16) -> Dial {
    let sharder = Sharder::new(nr_shards, 12).unwrap();
    let start = u32::from(node.plain.port());
    Dial::Shard { shard: ShardId(shard), sharder, port: node.aware.port(), start }
}

fn target(node: &FakeNode) -> NodeTarget {
    NodeTarget {
        node: NodeId(0),
        host: None,
        address: node.plain,
        shard_port: ShardPort::AsAdvertised,
    }
}
