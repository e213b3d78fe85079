//! frameproxy: a bare frame-aware proxy, to see what the work itself costs at the least.
//!
//! Not a product: no topology, no retries, no TLS, no metrics; one thread, plain epoll.
//! `mux`: all clients share K upstream connections: id lookup, partition key, Murmur3 token,
//! tablet lookup, stream ids swapped both ways; every readable socket is drained before anything
//! is written. `shard`: mux over one connection per node and shard, made through the shard-aware
//! port and routed by the token ring, which is the positive control of the routed workloads.

mod dial;
mod peer;
mod proxy;
mod route;

use proxy::Proxy;
use route::Routes;
use shardlane_bench_kit::args::Args;
use shardlane_bench_kit::args::die;
use shardlane_bench_kit::rng::Rng;
use std::net::Ipv4Addr;
use std::net::TcpListener;

const USAGE: &str = "frameproxy --listen 127.0.0.1:9142 --upstream 127.0.0.1:9042 [--mode mux|shard] [--upstreams 1] [--tablets 100000]
  --mode shard: --nodes 127.0.0.1,127.0.0.2 [--shards 8 --shard-port 19042 --port 9042]";

fn main() {
    let mut args = Args::parse(USAGE, &[]);
    let listen: String = args.get("listen", "127.0.0.1:9142".into());
    let upstream: String = args.get("upstream", "127.0.0.1:9042".into());
    let mode: String = args.get("mode", "mux".into());
    let nodes: String = args.get("nodes", "127.0.0.1".into());
    let shards: u16 = args.get("shards", 8);
    let (port, shard_port) = (args.get("port", 9042), args.get("shard-port", 19042));
    let upstreams: usize = args.get("upstreams", 1);
    let tablets: usize = args.get("tablets", 100_000);
    args.finish();
    let listener = match TcpListener::bind(&listen) {
        Ok(listener) => listener,
        Err(e) => die(USAGE, &format!("cannot listen on {listen}: {e}")),
    };
    let made = if mode == "shard" {
        let nodes: Vec<Ipv4Addr> = nodes.split(',').filter_map(|ip| ip.parse().ok()).collect();
        dial::ring(&nodes, port, shard_port, shards)
    } else {
        let mut rng = Rng(3);
        let ends = (0..tablets).map(|_| rng.bits() as i64).collect();
        dial::many(&upstream, upstreams).map(|sockets| (Routes::over_tablets(ends), sockets))
    };
    let (routes, sockets) = match made {
        Ok(made) => made,
        Err(e) => die(USAGE, &e),
    };
    let run = || Proxy::new(listener, routes, sockets)?.run();
    if let Err(e) = run() {
        eprintln!("frameproxy: {e}");
        std::process::exit(1);
    }
}
