//! The settings as meant: typed, in range, and in agreement with each other.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::config::address::ContactPoint;
use crate::flow::limits::Limits;
use crate::telemetry::logging::LogSettings;

/// Everything an operator can set. What each is for is told in `config/shardlane.toml`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Nodes asked first for the cluster's members; the rest is discovered.
    pub contact_points: Vec<ContactPoint>,
    /// CQL port of the nodes.
    pub port: u16,
    /// Where clients connect.
    pub bind: SocketAddr,
    /// Nodes of this data centre are preferred.
    pub data_center: Option<String>,
    /// Nodes of this rack are preferred within the data centre.
    pub rack: Option<String>,
    /// The proxy's own user; without it each client proves itself to the cluster.
    pub username: Option<String>,
    /// File that holds that user's password.
    pub password_file: Option<PathBuf>,
    /// Where metrics and probes are served.
    pub admin: SocketAddr,
    /// Worker threads.
    pub workers: usize,
    /// The engine's bounds, and its two deadlines.
    pub limits: Limits,
    /// Deadlines outside of the engine.
    pub timeouts: TimeoutSettings,
    /// Upstream connections.
    pub lanes: LaneSettings,
    /// Logs.
    pub log: LogSettings,
}

/// Deadlines outside of the engine, milliseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimeoutSettings {
    /// TCP connect to a node.
    pub connect_ms: u64,
    /// OPTIONS to READY on a new lane.
    pub handshake_ms: u64,
    /// Silence on a lane after which it is asked whether it lives.
    pub heartbeat_ms: u64,
    /// Time for what runs to finish after SIGTERM.
    pub drain_ms: u64,
}

/// How upstream connections are opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LaneSettings {
    /// Whether to choose shards by source port on the nodes' shard-aware port.
    pub shard_aware_port: bool,
    /// Lowest source port.
    pub source_port_low: u16,
    /// Highest source port.
    pub source_port_high: u16,
    /// Handshakes with one node at one time.
    pub handshakes_per_node_max: usize,
    /// Shortest wait before another attempt, milliseconds.
    pub backoff_min_ms: u64,
    /// Longest wait before another attempt, milliseconds.
    pub backoff_max_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contact_points: Vec::new(),
            port: 9042,
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 9042)),
            data_center: None,
            rack: None,
            username: None,
            password_file: None,
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9380)),
            workers: 1,
            limits: Limits::default(),
            timeouts: TimeoutSettings::default(),
            lanes: LaneSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self { connect_ms: 5_000, handshake_ms: 10_000, heartbeat_ms: 30_000, drain_ms: 10_000 }
    }
}

impl Default for LaneSettings {
    fn default() -> Self {
        Self {
            shard_aware_port: true,
            source_port_low: 49_152,
            source_port_high: 65_535,
            handshakes_per_node_max: 2,
            backoff_min_ms: 100,
            backoff_max_ms: 10_000,
        }
    }
}
