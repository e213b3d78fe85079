//! What to load, and how hard.

use rustls::ClientConfig;
use shardlane_bench_kit::args::Args;
use shardlane_bench_kit::args::die;
use shardlane_bench_kit::stream::client_config;
use std::sync::Arc;
use std::time::Duration;

pub const USAGE: &str = "cqlload [options]
  --addr 127.0.0.1:9042     target; repeat it to spread connections over several
  --conns 8 --inflight 32   connections, requests in flight on each (open loop: the most allowed)
  --requests 100000         measured requests
  --warmup 10000            requests before the measured ones
  --rate R                  open loop: R requests/s in all   --poisson (default: evenly spaced)
  --write-ratio 0           0: reads only ... 1: writes only
  --value-size 100          size of v written; also the size expected of v read (0: not checked)
  --keys 0                  keys 0..N (0: any bigint)        --seed 1
  --text                    QUERY with key and value as constants, instead of EXECUTE
  --hogs 0                  connections beside the others that ask for 1,024 values of 64 KB each when the measured part
                            begins, and read nothing
  --tls-ca FILE             TLS to the target, whose certificate this PEM file's authority signed
  --startup K=V             extra STARTUP option (repeatable)
  --stall-s 10              give up when nothing arrives for that long
  --gate                    print GATE before the measured part and wait for a line on stdin; the same after it
The result is one JSON line. Exit status: 0 all answers right, 2 some wrong or missing, 1 could not start.";

/// What the command line says.
pub struct Settings {
    pub addrs: Vec<String>,
    pub conns: usize,
    pub inflight: usize,
    pub requests: u64,
    pub warmup: u64,
    /// Requests a second of an open loop; 0: closed loop.
    pub rate: f64,
    pub poisson: bool,
    pub write_ratio: f64,
    pub value_size: usize,
    /// Keys are `0..keys`; 0: any.
    pub keys: u64,
    pub seed: u64,
    /// Whether requests are statements by text.
    pub text: bool,
    pub hogs: usize,
    pub tls: Option<Arc<ClientConfig>>,
    pub startup: Vec<(String, String)>,
    pub stall: Duration,
    pub gate: bool,
}

impl Settings {
    /// Reads the command line, or ends the program with its usage.
    pub fn parse() -> Self {
        let mut args = Args::parse(USAGE, &["poisson", "gate", "text"]);
        let mut addrs = args.list("addr");
        if addrs.is_empty() {
            addrs.push("127.0.0.1:9042".into());
        }
        let startup = args.list("startup");
        let tls = match args.string("tls-ca").map(|ca| client_config(&ca)).transpose() {
            Ok(tls) => tls,
            Err(e) => die(USAGE, &e),
        };
        let pair = |s: &String| s.split_once('=').map(|(k, v)| (k.to_string(), v.to_string()));
        let settings = Self {
            addrs,
            conns: args.get("conns", 8usize).max(1),
            inflight: args.get("inflight", 32usize).clamp(1, 32_767),
            requests: args.get("requests", 100_000),
            warmup: args.get("warmup", 10_000),
            rate: args.get("rate", 0.0),
            poisson: args.flag("poisson"),
            write_ratio: args.get("write-ratio", 0.0),
            value_size: args.get("value-size", 100),
            keys: args.get("keys", 0),
            seed: args.get("seed", 1),
            text: args.flag("text"),
            hogs: args.get("hogs", 0),
            tls,
            startup: startup.iter().filter_map(pair).collect(),
            stall: Duration::from_secs_f64(args.get("stall-s", 10.0)),
            gate: args.flag("gate"),
        };
        args.finish();
        settings
    }
}
