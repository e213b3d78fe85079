//! What each fake node counts, as one JSON line.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

/// STARTUP options kept of the last connections.
const STARTUPS_KEPT: usize = 4;

/// Counters of one node.
#[derive(Default)]
pub struct NodeStats {
    /// Open connections, per shard.
    pub conns_now: Vec<u32>,
    pub conns_total: u64,
    pub shard_port_conns: u64,
    /// EXECUTEs, per shard.
    pub execs: Vec<u64>,
    pub reads: u64,
    pub writes: u64,
    pub queries: u64,
    pub prepares: u64,
    pub batches: u64,
    pub errors: u64,
    /// Writes whose value does not begin with their key.
    pub bad_writes: u64,
    /// Requests that reached a replica node, and a replica shard.
    pub node_hit: u64,
    pub shard_hit: u64,
    pub tablet_payloads: u64,
    last_startups: VecDeque<String>,
}

impl NodeStats {
    /// Counters of a node with `shards` shards, all zero.
    pub fn new(shards: usize) -> Self {
        Self { conns_now: vec![0; shards], execs: vec![0; shards], ..Self::default() }
    }

    /// The shard with the fewest connections, the lowest of equals: where a connection to the
    /// plain port lands.
    pub fn least_loaded(&self) -> u32 {
        let shards = 0..self.conns_now.len();
        shards.min_by_key(|i| self.conns_now[*i]).unwrap_or(0) as u32
    }

    /// Remembers the options of a STARTUP.
    pub fn on_startup(&mut self, options: &[(String, String)]) {
        if self.last_startups.len() >= STARTUPS_KEPT {
            self.last_startups.pop_front();
        }
        let words: Vec<String> = options.iter().map(|(k, v)| format!("{k}={v}")).collect();
        self.last_startups.push_back(words.join(","));
    }

    /// One JSON object.
    pub fn json(&self, ip: Ipv4Addr) -> String {
        let counts = [
            ("conns_total", self.conns_total),
            ("shard_port_conns", self.shard_port_conns),
            ("reads", self.reads),
            ("writes", self.writes),
            ("queries", self.queries),
            ("prepares", self.prepares),
            ("batches", self.batches),
            ("errors", self.errors),
            ("bad_writes", self.bad_writes),
            ("node_hit", self.node_hit),
            ("shard_hit", self.shard_hit),
            ("tablet_payloads", self.tablet_payloads),
        ];
        let counts: Vec<String> = counts.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
        format!(
            "{{\"ip\":\"{ip}\",\"conns_now\":{:?},\"execs\":{:?},{},\"last_startups\":{:?}}}",
            self.conns_now,
            self.execs,
            counts.join(","),
            self.last_startups
        )
    }
}
