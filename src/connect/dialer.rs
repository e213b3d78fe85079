//! From an address to a lane: source port, TCP, handshake, and the shard it came to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use crate::connect::dial_stats::DialStats;
use crate::connect::extensions::{Extensions, host, is_cassandra, sharding};
use crate::connect::handshake::{Login, ask_options, start_up};
use crate::connect::handshake_budget::NodeGate;
use crate::connect::proxy_protocol;
use crate::connect::tls::node_tls::NodeTls;
use crate::connect::tls::tls_hint::explain;
use crate::pool::nodes::node_target::NodeTarget;
use crate::pool::pool_key::PoolKey;
use crate::pool::refill::lane_slots::{Dial, WantedLanes};
use crate::pool::refill::refiller::ShardPortSettings;
use crate::sockets::transport::Transport;
use crate::topology::id::NodeId;
use crate::upstream::lane::LANE_VERSION;
use cql::compression::Compression;
use cql::response::supported::Supported;
use cql::token::shard::{ShardId, Sharder};
use cql::token::source_port::SourcePorts;

/// How nodes are dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialSettings {
    /// Longest TCP connect at the first try; it doubles with failures, up to eightfold, since a
    /// node with too many handshakes never recovers if all its clients give up early.
    pub connect_timeout_ms: u64,
    /// Longest handshake at the first try, from OPTIONS to ready; it grows in the same way.
    pub handshake_timeout_ms: u64,
    /// Which lanes a node gets.
    pub lanes: WantedLanes,
    /// Whether shards are dialled by source port at all.
    pub shard_aware: bool,
    /// Shard-aware port of nodes that do not advertise theirs: they listen there by default.
    pub shard_aware_port_default: Option<u16>,
    /// Port of the nodes where a PROXY protocol header names the source port
    /// (`native_shard_aware_transport_port_proxy_protocol`, since 2026.1); shards are dialled there
    /// instead of at the shard-aware port. For where something rewrites source ports.
    pub proxy_protocol_port: Option<u16>,
    /// Source ports that may be taken. The default is the dynamic range of RFC 6335, away from
    /// the servers' own ports.
    pub source_ports: RangeInclusive<u16>,
    /// Source ports tried before the shard-aware port is given up for a while.
    pub source_port_tries: usize,
    /// How long a shard-aware port that did not work is left alone.
    pub port_block_ms: u64,
    /// How bodies on lanes are compressed, where the node offers it.
    pub compression: Option<Compression>,
    /// Idle time before the kernel asks whether the node is still there; 0 is never.
    pub keepalive_s: u64,
}

impl Default for DialSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            handshake_timeout_ms: 5_000,
            lanes: WantedLanes::EachShard,
            shard_aware: true,
            shard_aware_port_default: Some(19_042),
            proxy_protocol_port: None,
            source_ports: 49_152..=65_535,
            source_port_tries: 16,
            port_block_ms: 300_000,
            compression: None,
            keepalive_s: 30,
        }
    }
}

/// A connection ready for requests. Nothing has been read from it past the handshake.
#[derive(Debug)]
pub struct OpenedLane {
    /// The connection.
    pub stream: Transport,
    /// The node at the other end.
    pub node: NodeId,
    /// The shard that SUPPORTED named, whatever was dialled; 0 on a node without shards.
    pub shard: ShardId,
    /// How the node divides its data; `None` on a node without shards.
    pub sharder: Option<Sharder>,
    /// Whether its server is Apache Cassandra.
    pub is_cassandra: bool,
    /// What was negotiated.
    pub extensions: Extensions,
    /// The shard-aware port that the node advertises for connections such as this one.
    pub shard_aware_port: Option<u16>,
    /// How it logged in; `None` when the node wanted no login.
    pub login: Option<Login>,
}

impl DialSettings {
    /// Where shards are dialled.
    #[must_use]
    pub fn shard_ports(&self) -> ShardPortSettings {
        ShardPortSettings {
            shard_aware: self.shard_aware,
            default: self.shard_aware_port_default,
            proxy_protocol: self.proxy_protocol_port,
            block_ms: self.port_block_ms,
        }
    }
}

/// Dials nodes.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    settings: DialSettings,
    tls: Option<Arc<NodeTls>>,
}

impl Dialer {
    /// Dials as `settings` say.
    #[must_use]
    pub fn new(settings: DialSettings) -> Self {
        Self { settings, tls: None }
    }

    /// The same by TLS, if there is any.
    #[must_use]
    pub fn with_tls(self, tls: Option<Arc<NodeTls>>) -> Self {
        Self { tls, ..self }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &DialSettings {
        &self.settings
    }

    /// Opens one lane of `pool`; the caller holds a turn of the node's gate. `failures` are those just before;
    /// they make it more patient. The lane's shard may differ from the one that was dialled.
    pub async fn open(
        &self,
        target: &NodeTarget,
        gate: &NodeGate,
        pool: &PoolKey,
        dial: Dial,
        failures: u32,
    ) -> Result<OpenedLane, DialErrorAt> {
        let opened = self.try_open(target, &gate.stats, pool, dial, failures).await;
        match &opened {
            Ok(_) => gate.stats.on_opened(),
            Err(failed) => gate.stats.on_failed(&failed.error),
        }
        opened
    }

    async fn try_open(
        &self,
        target: &NodeTarget,
        stats: &DialStats,
        pool: &PoolKey,
        dial: Dial,
        failures: u32,
    ) -> Result<OpenedLane, DialErrorAt> {
        let patience = 1 << failures.min(3);
        let timeout_ms = self.settings.connect_timeout_ms.saturating_mul(patience);
        let (stream, address) = match dial {
            Dial::Any => (connect(target.address, timeout_ms).await?, target.address),
            Dial::Shard { shard, sharder, port, start } => {
                let nr_shards = sharder.nr_shards();
                let range = self.settings.source_ports.clone();
                let mut ports = SourcePorts::new(range, shard, nr_shards, start)
                    .take(self.settings.source_port_tries);
                let address = SocketAddr::new(target.address.ip(), port);
                let stream = if self.settings.proxy_protocol_port.is_some() {
                    proxy_protocol::connect(address, shard, ports.next(), timeout_ms).await?
                } else {
                    connect_from(ports, shard, address, timeout_ms, stats).await?
                };
                (stream, address)
            }
        };
        self.set_options(&stream, address)?;
        let timeout_ms = self.settings.handshake_timeout_ms.saturating_mul(patience);
        let tls = self.tls.as_deref();
        let mut stream = secure(tls, stream, address, timeout_ms).await?;
        let compression = self.settings.compression;
        let opened = shake_hands(&mut stream, target, pool, compression, timeout_ms).await;
        let (supported, login) = opened.map_err(|error| explained(tls, error, address))?;
        let (shard, sharder) = sharding(&supported).unzip();
        Ok(OpenedLane {
            stream,
            node: target.node,
            shard: shard.unwrap_or(ShardId(0)),
            sharder,
            is_cassandra: is_cassandra(&supported),
            extensions: Extensions::offered(&supported).compressed(&supported, compression),
            shard_aware_port: shard_aware_port(tls.is_some(), &supported),
            login,
        })
    }

    fn set_options(&self, stream: &TcpStream, address: SocketAddr) -> Result<(), DialErrorAt> {
        let failed = |source: io::Error| DialError::Connect { source }.at(address);
        stream.set_nodelay(true).map_err(failed)?;
        if self.settings.keepalive_s > 0 {
            let idle = Duration::from_secs(self.settings.keepalive_s);
            let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle / 3);
            SockRef::from(stream).set_tcp_keepalive(&keepalive).map_err(failed)?;
        }
        Ok(())
    }
}

/// Encrypts a connection, if `tls` is given.
pub async fn secure(
    tls: Option<&NodeTls>,
    stream: TcpStream,
    address: SocketAddr,
    timeout_ms: u64,
) -> Result<Transport, DialErrorAt> {
    match tls {
        Some(tls) => tls.secure(stream, address, timeout_ms).await,
        None => Ok(Transport::Plain(stream)),
    }
}

/// The error of a connection to `address`, explained if TLS is its cause.
#[must_use]
pub fn explained(tls: Option<&NodeTls>, error: DialError, address: SocketAddr) -> DialErrorAt {
    explain(error, tls.is_some()).at(address)
}

/// The port for connections that name their shard. A node whose settings name no second port for
/// TLS speaks it at the first one, and advertises that one only.
fn shard_aware_port(tls: bool, supported: &Supported) -> Option<u16> {
    let of_tls = supported.shard_aware_port_ssl.filter(|_| tls);
    of_tls.or(supported.shard_aware_port)
}

/// Connects from any source port.
pub async fn connect(address: SocketAddr, timeout_ms: u64) -> Result<TcpStream, DialErrorAt> {
    let limit = Duration::from_millis(timeout_ms);
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(DialError::Connect { source }.at(address)),
        Err(_) => Err(DialError::Timeout { step: DialStep::Connect, timeout_ms }.at(address)),
    }
}

/// Connects from the first of `ports` that is free. A port may be refused when it is bound, or
/// only when it connects: the kernel still remembers a connection of the same four numbers.
async fn connect_from(
    ports: impl Iterator<Item = u16>,
    shard: ShardId,
    address: SocketAddr,
    timeout_ms: u64,
    stats: &DialStats,
) -> Result<TcpStream, DialErrorAt> {
    let limit = Duration::from_millis(timeout_ms);
    let mut tried = 0;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for port in ports {
        tried += 1;
        let attempt = async { bind(address, port)?.connect(address).await };
        match timeout(limit, attempt).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if is_port_taken(&error) => {
                stats.on_bind_error();
                last = error;
            }
            Ok(Err(source)) => return Err(DialError::Connect { source }.at(address)),
            Err(_) => {
                return Err(DialError::Timeout { step: DialStep::Connect, timeout_ms }.at(address));
            }
        }
    }
    Err(DialError::SourcePorts { shard, tried, source: last }.at(address))
}

fn bind(address: SocketAddr, port: u16) -> io::Result<TcpSocket> {
    let (socket, any) = match address {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    // One port may serve connections to several nodes, and a port in TIME_WAIT may serve again.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(any, port))?;
    Ok(socket)
}

/// Whether another source port may do better. EACCES is among them: security modules and
/// reserved ranges refuse single ports.
fn is_port_taken(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::AddrInUse
        || kind == io::ErrorKind::AddrNotAvailable
        || kind == io::ErrorKind::PermissionDenied
}

async fn shake_hands(
    stream: &mut Transport,
    target: &NodeTarget,
    pool: &PoolKey,
    compression: Option<Compression>,
    timeout_ms: u64,
) -> Result<(Supported, Option<Login>), DialError> {
    let mut step = DialStep::Options;
    let steps = async {
        let supported = ask_options(stream, LANE_VERSION).await?;
        if let (Some(expected), Some(found)) = (target.host, host(&supported))
            && expected != found
        {
            return Err(DialError::OtherHost { expected, found });
        }
        step = DialStep::Startup;
        let extensions = Extensions::offered(&supported).compressed(&supported, compression);
        let login = start_up(stream, extensions, pool).await?;
        Ok((supported, login))
    };
    match timeout(Duration::from_millis(timeout_ms), steps).await {
        Ok(opened) => opened,
        Err(_) => Err(DialError::Timeout { step, timeout_ms }),
    }
}

#[cfg(test)]
mod tests;
