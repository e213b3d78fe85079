//! The options of a simulated cluster.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::like::Like;

/// Options of a simulated cluster. The same options give the same cluster, down to the last host
/// id and token.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The imitated server.
    pub like: Like,
    /// The name of the cluster, as in `system.local`.
    pub name: String,
    /// Number of nodes.
    pub nodes: usize,
    /// Shards of each node.
    pub shards: u16,
    /// Address of node 0; node i has i added to the last octet.
    pub address: IpAddr,
    /// The port whose connections land on the shard with the fewest.
    pub port: u16,
    /// The port whose connections land on the shard of their source port.
    pub shard_aware_port: u16,
    /// The port whose connections land on the shard that their PROXY protocol header names; `None`:
    /// no such listener. 2026.3 has it.
    pub proxy_port: Option<u16>,
    /// The same two ports with TLS.
    pub tls_ports: Option<(u16, u16)>,
    /// Names of the data centers; nodes are dealt out to them in turn.
    pub data_centers: Vec<String>,
    /// Names of the racks of each data center; its nodes are dealt out to them in turn.
    pub racks: Vec<String>,
    /// Tablets of a new table whose keyspace sets no number.
    pub tablets: u32,
    /// Ring tokens of each node.
    pub vnodes: u64,
    /// Superusers with their passwords. If empty, no login is required.
    pub users: Vec<(String, String)>,
    /// Whether a login may also have two steps, where the second one answers a challenge.
    pub challenge: bool,
    /// The time until other nodes see a schema change. On a real cluster up to 111 ms.
    pub schema_lag: Duration,
    /// The time until other nodes see that a killed node is down. On a real cluster 21 s.
    pub down_after: Duration,
    /// Timeouts of requests that wait for a killed replica: of reads, of writes.
    pub timeouts: (Duration, Duration),
    /// The longest random delay of an answer. Delays change the order of answers.
    pub delay_max: Duration,
    /// Whether the shard-aware port is behind address translation that changes source ports.
    pub nat: bool,
    /// The seed of all pseudo-random numbers.
    pub seed: u64,
    /// The wall-clock time at the start of the cluster, in µs since 1970.
    pub epoch_micros: i64,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            like: Like::default(),
            name: "simulated".to_owned(),
            nodes: 3,
            shards: 2,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 9042,
            shard_aware_port: 19042,
            proxy_port: None,
            tls_ports: None,
            data_centers: vec!["datacenter1".to_owned()],
            racks: vec!["rack1".to_owned()],
            tablets: 64,
            vnodes: 16,
            users: Vec::new(),
            challenge: false,
            schema_lag: Duration::from_millis(50),
            down_after: Duration::from_secs(21),
            timeouts: (Duration::from_secs(5), Duration::from_secs(2)),
            delay_max: Duration::ZERO,
            nat: false,
            seed: 1,
            epoch_micros: 1_700_000_000_000_000,
        }
    }
}
