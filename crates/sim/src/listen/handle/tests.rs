//! The cluster on real sockets: landing shards, stop and start, the HTTP API.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::cluster::options::ClusterOptions;
use crate::node::connection::ConnectionId;
use cql::header::Header;
use cql::notation::Reader;

const OPTIONS: [u8; 9] = [4, 0, 0, 1, 5, 0, 0, 0, 0];
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster of two nodes with three shards, on ports that are free.
fn start(last_octet: u8) -> SimHandle {
    let address = IpAddr::from([127, 0, 61, last_octet]);
    let cluster = ClusterOptions {
        address,
        port: 0,
        shard_aware_port: 0,
        nodes: 2,
        shards: 3,
        ..ClusterOptions::default()
    };
    let options = SimOptions { cluster, api: Some(SocketAddr::new(address, 0)), tls: None };
    SimHandle::spawn(options).unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks for SUPPORTED; the shard that it names.
fn shard(stream: &mut TcpStream) -> u16 {
    stream.write_all(&OPTIONS).unwrap();
    let mut header = [0; 9];
    stream.read_exact(&mut header).unwrap();
    let len = usize::try_from(Header::peek(&header).unwrap().body_len).unwrap();
    let mut body = vec![0; len];
    stream.read_exact(&mut body).unwrap();
    let pairs = Reader::new(&body).string_multimap().unwrap();
    let (_, values) = pairs.iter().find(|(key, _)| *key == "SCYLLA_SHARD").unwrap();
    values[0].parse().unwrap()
}

/// Retries until `done`, or fails at the deadline.
#[expect(clippy::disallowed_methods, reason = "a deadline in a test of real sockets")]
fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "patience has ended");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn connections_land_by_port() {
    let sim = start(100);
    let plain = sim.contact_points()[0];
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(plain)).collect();
    let mut shards: Vec<u16> = held.iter_mut().map(shard).collect();
    shards.sort_unstable();
    assert_eq!(shards, [0, 1, 2]);

    let port = sim.with(|cluster, _| cluster.options.shard_aware_port).unwrap();
    let mut aware = connect(SocketAddr::new(plain.ip(), port));
    assert_eq!(shard(&mut aware), aware.local_addr().unwrap().port() % 3);
    sim.stop().unwrap();
}

#[test]
fn a_stopped_node_hangs_up_and_refuses_until_it_is_started() {
    let sim = start(110);
    let address = sim.contact_points()[1];
    let mut stream = connect(address);
    shard(&mut stream);
    sim.with(|cluster, _| cluster.stop_node(1)).unwrap().unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    until(|| {
        let refused = TcpStream::connect(address).map_err(|error| error.kind());
        matches!(refused, Err(ErrorKind::ConnectionRefused))
    });
    sim.with(|cluster, _| cluster.start_node(1)).unwrap().unwrap();
    until(|| TcpStream::connect(address).is_ok());
}

#[test]
fn a_refused_version_is_answered_before_the_connection_ends() {
    let sim = start(120);
    let mut stream = connect(sim.contact_points()[0]);
    stream.write_all(&[5; 4096]).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.len(), 57);
}

#[test]
fn a_client_that_leaves_is_forgotten() {
    let sim = start(130);
    let mut stream = connect(sim.contact_points()[0]);
    shard(&mut stream);
    drop(stream);
    let open = || {
        let ids = |cluster: &mut Cluster, _| cluster.connections.iter().map(|it| it.id).collect();
        let ids: Vec<ConnectionId> = sim.with(ids).unwrap();
        ids.len()
    };
    until(|| open() == 0);
}

#[test]
fn the_api_speaks_http() {
    let sim = start(140);
    let mut stream = connect(sim.api().unwrap());
    let request = "GET /sim/nodes HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(answer.matches("\"state\":\"up\"").count(), 2, "{answer}");
}
