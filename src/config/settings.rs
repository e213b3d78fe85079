//! The settings as meant: typed, in range, and in agreement with each other.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::config::address::ContactPoint;
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
    /// Bounds.
    pub limits: LimitSettings,
    /// Deadlines.
    pub timeouts: TimeoutSettings,
    /// Upstream connections.
    pub lanes: LaneSettings,
    /// Logs.
    pub log: LogSettings,
}

/// Bounds on memory and connections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LimitSettings {
    /// Longest frame body, bytes.
    pub frame_body_bytes_max: u32,
    /// Requests in flight for one client before we stop reading from it.
    pub client_in_flight_max: usize,
    /// Bytes waiting for one socket at which we stop reading whoever fills it.
    pub outbox_high_bytes: usize,
    /// Bytes waiting for that socket at which we read on.
    pub outbox_low_bytes: usize,
    /// Requests in flight on one lane.
    pub lane_streams_max: u16,
    /// Old orphans on one lane at which it is drained and replaced.
    pub lane_orphans_max: u16,
    /// Clients at one time.
    pub clients_max: usize,
    /// Bytes of remembered prepared statements.
    pub catalog_bytes_max: usize,
    /// Remembered tablets.
    pub tablets_max: usize,
}

/// Deadlines, milliseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimeoutSettings {
    /// TCP connect to a node.
    pub connect_ms: u64,
    /// OPTIONS to READY on a new lane.
    pub handshake_ms: u64,
    /// A request without an answer; longer than the servers' own deadlines.
    pub request_ms: u64,
    /// Age at which an orphan counts as old.
    pub orphan_ms: u64,
    /// Silence on a lane after which it is asked whether it lives.
    pub heartbeat_ms: u64,
    /// Wait for the nodes to agree on a schema after a change.
    pub schema_agreement_ms: u64,
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
            limits: LimitSettings::default(),
            timeouts: TimeoutSettings::default(),
            lanes: LaneSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            frame_body_bytes_max: 16 << 20,
            client_in_flight_max: 1024,
            outbox_high_bytes: 1 << 20,
            outbox_low_bytes: 256 << 10,
            lane_streams_max: 4096,
            lane_orphans_max: 1024,
            clients_max: 10_000,
            catalog_bytes_max: 64 << 20,
            tablets_max: 1_000_000,
        }
    }
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self {
            connect_ms: 5_000,
            handshake_ms: 10_000,
            request_ms: 65_000,
            orphan_ms: 1_000,
            heartbeat_ms: 30_000,
            schema_agreement_ms: 10_000,
            drain_ms: 10_000,
        }
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
