//! Where nodes are dialled when their own addresses do not lead to them: by a map of the operator's,
//! or by `system.client_routes`.
//!
//! The table says, for each connection id (a private endpoint) and host, a name or address and its
//! port (ScyllaDB 2026.1; `docs/dev/system_keyspace.md`). What stands there may be a load balancer,
//! so nothing is known of its other ports.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::connect::dial_error::{DialError, DialStep};
use crate::control::contact::connection::ControlConnection;
use crate::control::contact::contact_point::ContactPoint;
use crate::control::contact::hint;
use crate::control::error::{ControlError, chain};
use crate::control::tables::metadata::{ClusterMetadata, HostRow};
use crate::pool::nodes::node_target::{Route, ShardPort};
use crate::topology::id::HostId;
use cql::error::WireError;
use cql::response::rows::{Row, Rows};
use cql::values::cell;

const TABLE: &str = "system.client_routes";

/// One entry of the operator's map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Translation {
    /// Which node.
    pub from: NodeName,
    /// Where it is dialled. Without a port all its ports are there, with one no other is.
    pub to: ContactPoint,
    /// The port at `to` that leads to the node's shard-aware port, or to its PROXY protocol port
    /// when that is used.
    pub shard_aware_port: Option<u16>,
}

/// How an entry names a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NodeName {
    /// By its host id, which outlives its address.
    Host(HostId),
    /// By the address that it reports to clients.
    Address(IpAddr),
}

/// What is to be translated, and by what.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RouteSettings {
    /// The operator's map.
    pub translations: Vec<Translation>,
    /// Connection ids whose rows of `system.client_routes` are followed, the first one first.
    pub connection_ids: Vec<String>,
    /// Whether the port for TLS is dialled.
    pub tls: bool,
    /// Longest resolution of a name.
    pub timeout_ms: u64,
}

/// Finds routes, and remembers what names led to: a resolver that fails for a moment must not
/// close the lanes of a node.
#[derive(Debug, Default)]
pub struct Routes {
    settings: RouteSettings,
    resolved: BTreeMap<String, IpAddr>,
}

/// A row of the table.
struct RouteRow {
    connection_id: String,
    host: HostId,
    to: ContactPoint,
}

impl Routes {
    /// Routes by these settings; nothing has been resolved yet.
    #[must_use]
    pub fn new(settings: RouteSettings) -> Self {
        Self { settings, resolved: BTreeMap::new() }
    }

    /// How long names have to be resolved, milliseconds.
    #[must_use]
    pub(crate) const fn timeout_ms(&self) -> u64 {
        self.settings.timeout_ms
    }

    /// Gives names so long to be resolved from now on, milliseconds.
    pub(crate) const fn set_timeout_ms(&mut self, timeout_ms: u64) {
        self.settings.timeout_ms = timeout_ms;
    }

    /// Gives every host of `metadata` its route, if it has one. The map goes before the table. A
    /// host whose route cannot be resolved keeps its own address, and that is logged.
    pub async fn apply<S>(
        &mut self,
        connection: &mut ControlConnection<S>,
        metadata: &mut ClusterMetadata,
    ) -> Result<(), ControlError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let rows = self.read(connection).await?;
        for host in &mut metadata.hosts {
            let Some((to, shard_port)) = self.wanted(host, &rows) else { continue };
            host.route =
                self.resolve(&to).await.map(|address| Route { address, port: to.port, shard_port });
        }
        Ok(())
    }

    /// What leads to a host: name or address, port, and where its shards are.
    fn wanted(&self, host: &HostRow, rows: &[RouteRow]) -> Option<(ContactPoint, ShardPort)> {
        let is_meant = |translation: &&Translation| match translation.from {
            NodeName::Host(id) => id == host.host,
            NodeName::Address(address) => host.address == Some(address),
        };
        if let Some(found) = self.settings.translations.iter().find(is_meant) {
            let shard_port = match (found.shard_aware_port, found.to.port) {
                (Some(port), _) => ShardPort::At(port),
                (None, Some(_)) => ShardPort::Nowhere,
                (None, None) => ShardPort::AsAdvertised,
            };
            return Some((found.to.clone(), shard_port));
        }
        let ids = self.settings.connection_ids.iter();
        let mut found = ids.filter_map(|id| {
            rows.iter().find(|row| row.connection_id == *id && row.host == host.host)
        });
        found.next().map(|row| (row.to.clone(), ShardPort::Nowhere))
    }

    async fn resolve(&mut self, to: &ContactPoint) -> Option<IpAddr> {
        let known = self.resolved.get(&to.host).copied();
        match to.resolve(0, self.timeout_ms()).await {
            Ok(found) => {
                let is_known = |address: &&SocketAddr| Some(address.ip()) == known;
                let address = found.iter().find(is_known).or_else(|| found.first())?.ip();
                self.resolved.insert(to.host.clone(), address);
                Some(address)
            }
            Err(error) => {
                let hint = hint::of_control(&error);
                tracing::warn!(%to, error = chain(&error), hint, "the address of a route cannot be resolved");
                known
            }
        }
    }

    async fn read<S>(
        &self,
        connection: &mut ControlConnection<S>,
    ) -> Result<Vec<RouteRow>, ControlError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let ids = &self.settings.connection_ids;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> =
            ids.iter().map(|id| format!("'{}'", id.replace('\'', "''"))).collect();
        let query = format!(
            "SELECT connection_id, host_id, address, port, tls_port FROM {TABLE} \
             WHERE connection_id IN ({})",
            ids.join(", ")
        );
        let Some(message) = connection.query_if_there(&query).await? else {
            tracing::warn!("client_routes is set, and the node has no {TABLE} (ScyllaDB 2026.1)");
            return Ok(Vec::new());
        };
        let address = connection.address();
        let malformed =
            |source: WireError| DialError::Malformed { step: DialStep::Query, source }.at(address);
        let rows = Rows::read(&message).map_err(malformed)?;
        let mut found = Vec::new();
        for row in rows.rows() {
            let column = if self.settings.tls { "tls_port" } else { "port" };
            found.extend(read_row(&row.map_err(malformed)?, column)?);
        }
        Ok(found)
    }
}

/// Reads a row; `None` for one that is not filled in, or has no port of the kind that is wanted.
fn read_row(
    row: &Row<'_, '_>,
    port_column: &'static str,
) -> Result<Option<RouteRow>, ControlError> {
    let fault = |column| move |source| ControlError::Cell { table: TABLE, column, source };
    let text = |column| row.read(column, cell::text).map_err(fault(column));
    let host = row.read("host_id", cell::uuid).map_err(fault("host_id"))?;
    let port = row.read(port_column, cell::int).map_err(fault(port_column))?;
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    let (Some(connection_id), Some(host), Some(address), Some(port)) =
        (text("connection_id")?, host, text("address")?, port)
    else {
        return Ok(None);
    };
    let to = ContactPoint { host: address.to_owned(), port: Some(port) };
    Ok(Some(RouteRow { connection_id: connection_id.to_owned(), host: HostId(host), to }))
}

impl FromStr for NodeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let unknown = || format!("`{text}` is neither an address nor a host id");
        HostId::from_text(text).map(Self::Host).ok_or_else(unknown)
    }
}

impl FromStr for Translation {
    type Err = String;

    /// Reads `FROM=HOST`, `FROM=HOST:PORT` or `FROM=HOST:PORT/SHARD_AWARE_PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
        let (to, shard_aware_port) = match to.split_once('/') {
            Some((to, port)) => {
                let port = port.trim().parse::<u16>().ok().filter(|port| *port != 0);
                (to, Some(port.ok_or_else(|| format!("`{text}` has no port after `/`"))?))
            }
            None => (to, None),
        };
        let to = to.parse().map_err(|_| format!("`{to}` is neither a host nor an address"))?;
        Ok(Self { from: from.trim().parse()?, to, shard_aware_port })
    }
}

impl fmt::Display for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            NodeName::Host(host) => write!(f, "{host}={}", self.to)?,
            NodeName::Address(address) => write!(f, "{address}={}", self.to)?,
        }
        match self.shard_aware_port {
            Some(port) => write!(f, "/{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
