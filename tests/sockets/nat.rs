//! Nodes behind something that rewrites source ports: every shard is reached by PROXY headers, and
//! none for certain without.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use cql::proxy_header::ProxyHeader;
use cql::token::shard::ShardId;
use shardlane::connect::dialer::{DialSettings, Dialer};
use shardlane::connect::handshake_budget::NodeGate;
use shardlane::pool::nodes::node_target::{NodeTarget, ShardPort};
use shardlane::pool::pool_key::PoolKey;
use shardlane::pool::refill::lane_slots::Dial;
use shardlane::topology::id::NodeId;
use sim::{ClusterOptions, SimHandle, SimOptions};

const SHARDS: u16 = 8;
const PATIENCE: Duration = Duration::from_secs(20);

/// One node behind NAT, with a PROXY protocol port, and that port.
fn node(last: u8) -> (SimHandle, NodeTarget, u16) {
    let cluster = ClusterOptions {
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 64, last)),
        port: 0,
        shard_aware_port: 0,
        proxy_port: Some(0),
        nat: true,
        nodes: 1,
        shards: SHARDS,
        ..ClusterOptions::default()
    };
    let sim = SimHandle::spawn(SimOptions { cluster, api: None, tls: None }).unwrap();
    let address = sim.contact_points()[0];
    let port = sim.with(|cluster, _| cluster.options.proxy_port).unwrap().unwrap();
    (
        sim,
        NodeTarget { node: NodeId(0), host: None, address, shard_port: ShardPort::AsAdvertised },
        port,
    )
}

fn dialer(proxy_protocol_port: Option<u16>) -> Dialer {
    Dialer::new(DialSettings { proxy_protocol_port, ..DialSettings::default() })
}

/// The shard that each dialled shard came to.
async fn dial_all(dialer: &Dialer, target: &NodeTarget, gate: &NodeGate) -> Vec<u16> {
    let set = PoolKey::plain(None);
    let first = dialer.open(target, gate, &set, Dial::Any, 0).await.unwrap();
    let sharder = first.sharder.unwrap();
    let ports = dialer.settings().shard_ports();
    let port = ports.port_of(target, first.shard_aware_port).unwrap();
    let mut found = Vec::new();
    for shard in (0..SHARDS).map(ShardId) {
        let dial = Dial::Shard { shard, sharder, port, start: 77 };
        found.push(dialer.open(target, gate, &set, dial, 0).await.unwrap().shard.0);
    }
    found
}

#[tokio::test]
async fn a_proxy_header_leads_to_its_shard_where_source_ports_do_not() {
    let (sim, target, port) = node(101);
    let gate = NodeGate::default();
    let found = dial_all(&dialer(Some(port)), &target, &gate).await;
    assert!(found.into_iter().eq(0..SHARDS));

    let gate = NodeGate::default();
    let found = dial_all(&dialer(None), &target, &gate).await;
    assert!(found.into_iter().ne(0..SHARDS), "the cluster has no NAT");
    sim.stop().unwrap();
}

/// Whether a node's PROXY protocol port answers OPTIONS after these writes.
fn answers(port: SocketAddr, writes: &[&[u8]]) -> bool {
    let mut stream = TcpStream::connect(port).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for (index, bytes) in writes.iter().enumerate() {
        if index > 0 {
            // Long enough for the other side to have read what came before.
            std::thread::sleep(Duration::from_millis(50));
        }
        if stream.write_all(bytes).is_err() {
            return false;
        }
    }
    let mut head = [0; 9];
    stream.read_exact(&mut head).is_ok()
}

#[test]
fn the_simulated_port_takes_what_the_real_one_takes() {
    let (sim, target, port) = node(103);
    let address = SocketAddr::new(target.address.ip(), port);
    let options = [4, 0, 0, 1, 5, 0, 0, 0, 0];
    let source = SocketAddr::from(([10, 0, 0, 1], 50_003));
    let header = ProxyHeader::Proxy { source, destination: address }.to_bytes();
    let local = ProxyHeader::Local.to_bytes();
    let mut local_with_addresses = header.clone();
    local_with_addresses[12] = 0x20;
    assert!(answers(address, &[&header, &options]));
    assert!(answers(address, &[&[&header[..], &options].concat()]));
    assert!(answers(address, &[&local, &options]));
    assert!(!answers(address, &[&header[..10], &header[10..], &options]), "a split header");
    assert!(!answers(address, &[&header[..20], &header[20..], &options]), "split addresses");
    assert!(!answers(address, &[&local_with_addresses, &options]));
    assert!(!answers(address, &[&options, &[0; 28]]), "no header");
    sim.stop().unwrap();
}
