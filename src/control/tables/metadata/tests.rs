//! System tables as servers show them, and as they show them on bad days.

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::duplex;
use tokio::sync::broadcast;
use tokio::sync::watch;

use super::*;
use crate::control::tables::fake_tables::{Cells, FakeTables, node_row};

/// Where the node is said to be.
const NODE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 9_042);

const RPC_ADDRESS: usize = 3;
const TOKENS: usize = 5;
const PEER: usize = 8;

#[tokio::test]
async fn the_connected_node_comes_first_and_peers_follow() {
    let tables = FakeTables::scylla(row(1), vec![row(2), row(3)])
        .keyspace("vnodes", "3", None)
        .keyspace("tablets", "2", Some(0));
    let metadata = read_from(tables).await.unwrap();

    let hosts: Vec<_> = metadata.hosts.iter().map(|host| (host.host.0[0], host.address)).collect();
    assert_eq!(hosts, [(1, Some(ip(1))), (2, Some(ip(2))), (3, Some(ip(3)))]);
    assert_eq!(metadata.hosts[2].tokens, [Token::new(300)]);
    assert_eq!(metadata.left_out, Vec::<String>::new());
    assert_eq!(metadata.cluster_name.as_deref(), Some("fake"));
    let tablets: Vec<_> = metadata.keyspaces.iter().map(|(k, row)| (&**k, row.tablets)).collect();
    assert_eq!(tablets, [("tablets", true), ("vnodes", false)]);
    assert!(metadata.keyspaces["vnodes"].replication.contains(&("dc1".into(), "3".into())));
}

#[tokio::test]
async fn rows_that_cannot_be_used_are_left_out_and_told() {
    let mut ghost = row(4);
    ghost[RPC_ADDRESS] = None;
    let mut joining = row(5);
    joining[2] = None;
    let mut no_rack = row(6);
    no_rack[1] = None;
    let tables = FakeTables::scylla(row(1), vec![ghost, row(2), joining, no_rack, row(1), row(2)]);
    let metadata = read_from(tables).await.unwrap();

    assert_eq!(metadata.hosts.len(), 2);
    assert_eq!(
        metadata.left_out,
        [
            "10.0.0.4: no rpc_address".to_owned(),
            "10.0.0.5: no host_id".to_owned(),
            "10.0.0.6: no rack".to_owned(),
            format!("10.0.0.1: host {:?} a second time", HostId([1; 16])),
            format!("10.0.0.2: host {:?} a second time", HostId([2; 16])),
        ]
    );
}

#[tokio::test]
async fn a_node_that_listens_everywhere_is_dialled_at_its_peer_address() {
    let mut everywhere = row(2);
    everywhere[RPC_ADDRESS] = Some(vec![0; 4]);
    let mut local = row(1);
    local[RPC_ADDRESS] = Some(vec![0; 16]);
    let metadata = read_from(FakeTables::scylla(local, vec![everywhere])).await.unwrap();
    assert_eq!(metadata.hosts[1].address, Some(ip(2)));
    assert_eq!(metadata.hosts[0].address, None);
}

#[tokio::test]
async fn a_node_without_tokens_stays_a_node() {
    let mut zero = row(2);
    zero[TOKENS] = None;
    let metadata = read_from(FakeTables::scylla(row(1), vec![zero])).await.unwrap();
    assert_eq!((metadata.hosts.len(), metadata.hosts[1].tokens.len()), (2, 0));
}

#[tokio::test]
async fn tokens_of_another_partitioner_are_not_taken_for_ours() {
    let mut local = row(1);
    local[6] = Some("org.apache.cassandra.dht.RandomPartitioner".into());
    let metadata = read_from(FakeTables::scylla(local, vec![])).await.unwrap();
    assert_eq!(metadata.hosts[0].tokens, []);
}

#[tokio::test]
async fn a_server_without_scylla_tables_has_no_tablets() {
    let mut tables = FakeTables::scylla(row(1), vec![]).keyspace("ks", "1", Some(8));
    tables.tables.remove("system_schema.scylla_keyspaces");
    tables.tables.remove("system_schema.scylla_tables");
    let metadata = read_from(tables).await.unwrap();
    assert!(!metadata.keyspaces["ks"].tablets);
}

#[tokio::test]
async fn tables_with_their_own_partitioner_are_known() {
    let mut tables = FakeTables::scylla(row(1), vec![]).keyspace("ks", "1", None);
    let classes = ["com.scylladb.dht.CDCPartitioner", "a.Murmur3Partitioner", "a.Other"];
    for (name, class) in ["log", "plain", "odd"].into_iter().zip(classes) {
        let row = vec![Some("ks".into()), Some(name.into()), Some(class.into())];
        tables.push("system_schema.scylla_tables", row);
    }
    tables.push("system_schema.scylla_tables", vec![Some("ks".into()), Some("t".into()), None]);
    let metadata = read_from(tables).await.unwrap();
    let expected = [("log".into(), Some(Partitioner::Cdc)), ("odd".into(), None)];
    assert_eq!(metadata.keyspaces["ks"].partitioners, BTreeMap::from(expected));
}

#[tokio::test]
async fn a_node_that_does_not_know_itself_is_refused() {
    let mut local = row(1);
    local[2] = None;
    let answer = read_from(FakeTables::scylla(local, vec![])).await;
    assert_eq!(answer.unwrap_err().to_string(), "system.local lacks host_id");

    let mut tables = FakeTables::scylla(row(1), vec![]);
    tables.tables.get_mut("system.local").unwrap().1.clear();
    let answer = read_from(tables).await;
    assert_eq!(answer.unwrap_err().to_string(), "system.local lacks key");
}

#[tokio::test]
async fn a_malformed_cell_names_table_and_column() {
    let mut peer = row(2);
    peer[PEER] = Some(vec![1, 2, 3]);
    let answer = read_from(FakeTables::scylla(row(1), vec![peer])).await;
    assert_eq!(answer.unwrap_err().to_string(), "malformed peer in system.peers");
}

async fn read_from(tables: FakeTables) -> Result<ClusterMetadata, ControlError> {
    let (near, far) = duplex(64 * 1024);
    let (_tables, shown) = watch::channel(tables);
    let (events, _) = broadcast::channel(1);
    let node = tokio::spawn(FakeTables::serve(shown, events.subscribe(), far));
    let metadata = read(&mut ControlConnection::new(near, NODE, 4, 5_000)).await;
    node.await.unwrap();
    metadata
}

fn row(number: u8) -> Cells {
    node_row(number, Some(ip(number)))
}

fn ip(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}
