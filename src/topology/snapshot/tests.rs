//! Snapshots of a small cluster.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use super::*;
use cql::token::token::Token;

#[test]
fn nodes_are_found_by_number_and_by_host() {
    let snapshot = SnapshotBuilder::new(7, vec![node(3), node(1)]).build();

    assert_eq!(snapshot.version(), 7);
    assert_eq!(snapshot.nodes().len(), 2);
    assert_eq!(snapshot.node(NodeId(3)).unwrap().host, host(3));
    assert_eq!(snapshot.number_of(host(1)), Some(NodeId(1)));
    assert_eq!(snapshot.node_of(host(3)).unwrap().id, NodeId(3));
    for absent in [0, 2, 4, u16::MAX] {
        assert!(snapshot.node(NodeId(absent)).is_none());
        assert_eq!(snapshot.number_of(host(absent)), None);
    }
}

#[test]
fn keyspaces_of_equal_replication_share_a_ring() {
    let three = Replication::Simple { factor: 3 };
    let snapshot = SnapshotBuilder::new(1, vec![node(0), node(1)])
        .ring_keyspace("a", three.clone(), BTreeMap::new())
        .ring_keyspace("b", three, BTreeMap::new())
        .ring_keyspace("c", Replication::Simple { factor: 1 }, BTreeMap::new())
        .build();
    let ring = |name| &snapshot.keyspace(name).unwrap().ring;

    assert!(Arc::ptr_eq(ring("a"), ring("b")));
    assert!(!Arc::ptr_eq(ring("a"), ring("c")));
    assert_eq!(ring("a").replicas(Token::new(0)).len(), 2);
    assert_eq!(ring("c").replicas(Token::new(0)).len(), 1);
    assert!(snapshot.keyspaces().map(|(name, _)| name).eq(["a", "b", "c"]));
}

#[test]
fn a_keyspace_with_tablets_has_no_ring() {
    let builder = SnapshotBuilder::new(1, vec![node(0)]);
    let snapshot = builder.tablet_keyspace("ks", BTreeMap::new()).build();
    let keyspace = snapshot.keyspace("ks").unwrap();

    assert!(keyspace.tablets);
    assert!(keyspace.ring.is_empty());
    assert!(snapshot.keyspace("other").is_none());
}

#[test]
fn tables_hash_by_murmur3_unless_something_else_is_said() {
    let partitioners =
        BTreeMap::from([("log".into(), Some(Partitioner::Cdc)), ("odd".into(), None)]);
    let builder = SnapshotBuilder::new(1, vec![node(0)]);
    let snapshot = builder.tablet_keyspace("ks", partitioners).build();
    let keyspace = snapshot.keyspace("ks").unwrap();

    assert_eq!(keyspace.partitioner("t"), Some(Partitioner::Murmur3));
    assert_eq!(keyspace.partitioner("log"), Some(Partitioner::Cdc));
    assert_eq!(keyspace.partitioner("odd"), None);
}

fn node(number: u16) -> Node {
    Node {
        id: NodeId(number),
        host: host(number),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 9042,
        data_center: "dc1".into(),
        rack: "r1".into(),
        tokens: vec![Token::new(i64::from(number) * 100)],
    }
}

fn host(number: u16) -> HostId {
    HostId(u128::from(number).to_be_bytes())
}
