//! nullcql: a fake ScyllaDB cluster (CQL v3/v4) that answers as cheaply as it can.
//!
//! It knows one table, ks.t (pk bigint PRIMARY KEY, v blob). A read of key K answers one row whose
//! value begins with K, so a client can verify it; a write is checked the same way.

mod answer;
mod cells;
mod cluster;
mod compression;
mod filler;
mod hello;
mod lexer;
mod prepared;
mod rows;
mod server;
mod statement;
mod stats;
mod tables;

use answer::Nodes;
use cluster::Cluster;
use server::Delay;
use server::Door;
use server::Server;
use shardlane_bench_kit::args::Args;
use shardlane_bench_kit::args::die;
use shardlane_bench_kit::process::precise_timers;
use shardlane_bench_kit::stream::server_config;
use std::net::Ipv4Addr;
use std::net::SocketAddrV4;
use std::net::TcpListener;

const USAGE: &str = "nullcql [options]
  --listen 127.0.0.1:9042   address of node 0; node i listens on the next IPv4 address, same port
  --nodes 1                 number of fake nodes
  --shards 0                ScyllaDB shards per node (0: look like plain Cassandra)
  --shard-port 19042        shard-aware port (with --shards; 0: none): source port % shards picks the shard
  --ignore-msb 12           sharding ignore-msb
  --vnodes 16               tokens per node        --rf 1      replication factor of ks
  --tablets 0               tablets of ks.t (0: vnodes); announces TABLETS_ROUTING_V1
  --value-size 100          bytes of v in each row read (at least 8)
  --delay-us 0              server time per request  --jitter-us 0   plus uniform 0..jitter (reorders answers)
  --tls-cert F --tls-key F  PEM files; with them all ports of nodes speak TLS
  --dc datacenter1 --rack rack1
  --stats 127.0.0.1:0       TCP address that answers one JSON line of counters to each connection (off by default)
Answers OPTIONS STARTUP REGISTER QUERY PREPARE EXECUTE BATCH. lz4 for those who ask. No authentication.";

fn main() -> std::io::Result<()> {
    let mut args = Args::parse(USAGE, &[]);
    let mut cluster = cluster(&mut args);
    let files = args.string("tls-cert").zip(args.string("tls-key"));
    let tls = match files.map(|(cert, key)| server_config(&cert, &key)).transpose() {
        Ok(tls) => tls,
        Err(e) => die(USAGE, &e),
    };
    cluster.tls = tls.is_some();
    let delay = Delay {
        base_ns: args.get("delay-us", 0u64) * 1000,
        jitter_ns: args.get("jitter-us", 0u64) * 1000,
    };
    let value_size = args.get("value-size", 100);
    let stats: Option<SocketAddrV4> = args.opt("stats");
    args.finish();
    precise_timers();
    let mut doors = vec![];
    let mut open = |ip: Ipv4Addr, port: u16, door: Door| match TcpListener::bind((ip, port)) {
        Ok(listener) => doors.push((listener, door)),
        Err(e) => die(USAGE, &format!("cannot listen on {ip}:{port}: {e}")),
    };
    for node in 0..cluster.nodes {
        open(cluster.ip(node), cluster.addr.port(), Door::Plain(node));
        if cluster.shard_port != 0 {
            open(cluster.ip(node), cluster.shard_port, Door::ShardAware(node));
        }
    }
    if let Some(stats) = stats {
        open(*stats.ip(), stats.port(), Door::Stats);
    }
    let (addr, nodes, shards) = (cluster.addr, cluster.nodes, cluster.shards);
    println!("nullcql ready on {addr} ({nodes} nodes, {shards} shards each)");
    Server::new(Nodes::new(cluster, value_size), delay, doors, tls)?.run()
}

fn cluster(args: &mut Args) -> Cluster {
    let localhost = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9042);
    let mut cluster = Cluster::at(args.get("listen", localhost));
    cluster.nodes = args.get("nodes", 1usize).max(1);
    cluster.shards = args.get("shards", 0);
    let shard_port = args.get("shard-port", 19042);
    cluster.shard_port = if cluster.shards > 0 { shard_port } else { 0 };
    cluster.ignore_msb = args.get("ignore-msb", cluster.ignore_msb);
    cluster.rf = args.get("rf", 1usize).clamp(1, cluster.nodes);
    cluster.dc = args.get("dc", cluster.dc);
    cluster.rack = args.get("rack", cluster.rack);
    cluster.tablets = args.get("tablets", 0);
    cluster.with_ring(args.get("vnodes", 16))
}
