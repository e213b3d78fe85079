//! The system tables of one node: who is in the cluster, and how keyspaces are replicated.
//!
//! Rows are taken as they come: a joining node has nulls, one that was removed badly leaves a
//! ghost, Cassandra lacks ScyllaDB's tables. What cannot be used is left out and logged, and is never fatal.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;

use crate::connect::dial_error::{DialError, DialStep};
use crate::control::contact::connection::ControlConnection;
use crate::control::error::ControlError;
use crate::control::tables::server_tables::ServerTables;
use crate::pool::nodes::node_target::Route;
use crate::topology::id::HostId;
use cql::error::WireError;
use cql::response::rows::{Row, Rows};
use cql::token::partitioner::Partitioner;
use cql::token::token::Token;
use cql::values::cell;

const LOCAL: &str = "system.local";
const PEERS: &str = "system.peers";
const KEYSPACES: &str = "system_schema.keyspaces";
const SCYLLA_KEYSPACES: &str = "system_schema.scylla_keyspaces";
const SCYLLA_TABLES: &str = "system_schema.scylla_tables";

const SELECT_LOCAL: &str = "SELECT * FROM system.local WHERE key='local'";
const SELECT_IDENTITY: &str = "SELECT cluster_name, host_id FROM system.local WHERE key='local'";
const SELECT_PEERS: &str = "SELECT * FROM system.peers";
const SELECT_KEYSPACES: &str = "SELECT keyspace_name, replication FROM system_schema.keyspaces";
const SELECT_TABLETS: &str =
    "SELECT keyspace_name, initial_tablets FROM system_schema.scylla_keyspaces";
const SELECT_PARTITIONERS: &str =
    "SELECT keyspace_name, table_name, partitioner FROM system_schema.scylla_tables";

/// A node as the system tables describe it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostRow {
    /// Its own id.
    pub host: HostId,
    /// Where clients should connect; `None` for the connected node when its row has no such address.
    pub address: Option<IpAddr>,
    /// Its data center.
    pub data_center: String,
    /// Its rack.
    pub rack: String,
    /// What it reports as its version; every ScyllaDB says 3.0.8.
    pub release_version: Option<String>,
    /// The schema version that it last reported.
    pub schema_version: Option<[u8; 16]>,
    /// Where it is dialled, when that is not its own address.
    pub route: Option<Route>,
    /// Its tokens; none for a node that stores nothing, and under partitioners other than Murmur3.
    pub tokens: Vec<Token>,
}

/// A keyspace as the schema tables describe it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyspaceRow {
    /// The entries of its replication map.
    pub replication: Vec<(String, String)>,
    /// `scylla_keyspaces.initial_tablets` is not null; 0 counts as well.
    pub tablets: bool,
    /// Its tables whose partitioner is not Murmur3; `None` for one that we do not know.
    pub partitioners: BTreeMap<Box<str>, Option<Partitioner>>,
}

/// The cluster, as far as routing needs it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterMetadata {
    /// The connected node first.
    pub hosts: Vec<HostRow>,
    /// Keyspaces by name.
    pub keyspaces: BTreeMap<String, KeyspaceRow>,
    /// Name of the cluster.
    pub cluster_name: Option<String>,
    /// Class of its partitioner.
    pub partitioner: Option<String>,
    /// Rows of `system.peers` that were left out, and why.
    pub left_out: Vec<String>,
    /// The connected node's own words.
    pub tables: ServerTables,
}

/// Who a node is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Name of its cluster.
    pub cluster_name: Option<String>,
    /// Its own id.
    pub host: Option<HostId>,
}

/// Reads who the connected node is, and nothing else.
pub async fn identity<S>(connection: &mut ControlConnection<S>) -> Result<Identity, ControlError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let address = connection.address();
    let message = connection.query(SELECT_IDENTITY).await?;
    let rows = rows(&message, address)?;
    let Some(row) = rows.rows().next().transpose().map_err(malformed(address))? else {
        return Err(ControlError::LocalRow { column: "key" });
    };
    let host = row.read("host_id", cell::uuid).map_err(in_cell(LOCAL, "host_id"))?;
    Ok(Identity { cluster_name: text(&row, LOCAL, "cluster_name")?, host: host.map(HostId) })
}

/// Reads everything from the connected node.
pub async fn read<S>(connection: &mut ControlConnection<S>) -> Result<ClusterMetadata, ControlError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let address = connection.address();
    let local = connection.query(SELECT_LOCAL).await?;
    let peers = connection.query(SELECT_PEERS).await?;
    let mut metadata = read_nodes(&rows(&local, address)?, &rows(&peers, address)?, address)?;
    let keyspaces = connection.query(SELECT_KEYSPACES).await?;
    for row in rows(&keyspaces, address)?.rows() {
        let (name, keyspace) = read_keyspace(&row.map_err(malformed(address))?)?;
        metadata.keyspaces.insert(name, keyspace);
    }
    if let Some(message) = connection.query_if_there(SELECT_TABLETS).await? {
        for row in rows(&message, address)?.rows() {
            let row = row.map_err(malformed(address))?;
            let name = text(&row, SCYLLA_KEYSPACES, "keyspace_name")?.unwrap_or_default();
            if let Some(keyspace) = metadata.keyspaces.get_mut(&name) {
                keyspace.tablets = row.get("initial_tablets").is_some();
            }
        }
    }
    if let Some(message) = connection.query_if_there(SELECT_PARTITIONERS).await? {
        for row in rows(&message, address)?.rows() {
            read_partitioner(&row.map_err(malformed(address))?, &mut metadata.keyspaces)?;
        }
    }
    Ok(metadata)
}

fn read_nodes(
    local: &Rows<'_>,
    peers: &Rows<'_>,
    address: SocketAddr,
) -> Result<ClusterMetadata, ControlError> {
    let tables = ServerTables::read(local, peers).map_err(malformed(address))?;
    let Some(row) = local.rows().next().transpose().map_err(malformed(address))? else {
        return Err(ControlError::LocalRow { column: "key" });
    };
    let partitioner = text(&row, LOCAL, "partitioner")?;
    let murmur3 =
        partitioner.as_deref().and_then(Partitioner::from_class) == Some(Partitioner::Murmur3);
    let own = match read_host(&row, LOCAL, murmur3)? {
        Ok(own) => own,
        Err(column) => return Err(ControlError::LocalRow { column }),
    };
    let mut left_out = Vec::new();
    let mut seen = BTreeSet::from([own.host]);
    let mut hosts = vec![own];
    for row in peers.rows() {
        let row = row.map_err(malformed(address))?;
        let peer = row.read("peer", cell::inet).map_err(in_cell(PEERS, "peer"))?;
        let name = peer.map_or_else(|| "?".to_owned(), |peer| peer.to_string());
        match read_host(&row, PEERS, murmur3)? {
            Ok(mut host) if seen.insert(host.host) => {
                let listed = peer.filter(|peer| !peer.is_unspecified());
                host.address = host.address.or(listed);
                if host.address.is_some() {
                    hosts.push(host);
                } else {
                    left_out.push(format!("{name}: no rpc_address"));
                }
            }
            Ok(host) => left_out.push(format!("{name}: host {} a second time", host.host)),
            Err(column) => left_out.push(format!("{name}: no {column}")),
        }
    }
    let cluster_name = text(&row, LOCAL, "cluster_name")?;
    let keyspaces = BTreeMap::new();
    Ok(ClusterMetadata { hosts, keyspaces, cluster_name, partitioner, left_out, tables })
}

/// Reads a row of `system.local` or `system.peers`, or names the column that it lacks. A row with
/// a null `rpc_address` is that of a node which joins, or a ghost; an unspecified one (0.0.0.0) is
/// a node that listens everywhere, and its peer address will do.
fn read_host(
    row: &Row<'_, '_>,
    table: &'static str,
    murmur3: bool,
) -> Result<Result<HostRow, &'static str>, ControlError> {
    let host = row.read("host_id", cell::uuid).map_err(in_cell(table, "host_id"))?;
    let Some(host) = host else { return Ok(Err("host_id")) };
    let address = row.read("rpc_address", cell::inet).map_err(in_cell(table, "rpc_address"))?;
    if address.is_none() && table == PEERS {
        return Ok(Err("rpc_address"));
    }
    let Some(data_center) = text(row, table, "data_center")? else {
        return Ok(Err("data_center"));
    };
    let Some(rack) = text(row, table, "rack")? else { return Ok(Err("rack")) };
    let tokens = row.read("tokens", cell::text_list).map_err(in_cell(table, "tokens"))?;
    let tokens = tokens.unwrap_or_default().into_iter().filter(|_| murmur3);
    let mut tokens: Vec<Token> =
        tokens.filter_map(|token| token.parse().ok().map(Token::new)).collect();
    tokens.sort_unstable();
    let schema_version = row.read("schema_version", cell::uuid);
    Ok(Ok(HostRow {
        host: HostId(host),
        address: address.filter(|address| !address.is_unspecified()),
        data_center,
        rack,
        release_version: text(row, table, "release_version")?,
        schema_version: schema_version.map_err(in_cell(table, "schema_version"))?,
        route: None,
        tokens,
    }))
}

fn read_keyspace(row: &Row<'_, '_>) -> Result<(String, KeyspaceRow), ControlError> {
    let name = text(row, KEYSPACES, "keyspace_name")?.unwrap_or_default();
    let replication = row.read("replication", cell::text_map);
    let replication = replication.map_err(in_cell(KEYSPACES, "replication"))?;
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let replication = replication.unwrap_or_default().into_iter().map(owned).collect();
    Ok((name, KeyspaceRow { replication, ..KeyspaceRow::default() }))
}

fn read_partitioner(
    row: &Row<'_, '_>,
    keyspaces: &mut BTreeMap<String, KeyspaceRow>,
) -> Result<(), ControlError> {
    let Some(class) = text(row, SCYLLA_TABLES, "partitioner")? else { return Ok(()) };
    let partitioner = Partitioner::from_class(&class);
    let keyspace = text(row, SCYLLA_TABLES, "keyspace_name")?.unwrap_or_default();
    let table = text(row, SCYLLA_TABLES, "table_name")?.unwrap_or_default();
    if let Some(keyspace) = keyspaces.get_mut(&keyspace)
        && partitioner != Some(Partitioner::Murmur3)
    {
        keyspace.partitioners.insert(table.into(), partitioner);
    }
    Ok(())
}

fn text(
    row: &Row<'_, '_>,
    table: &'static str,
    column: &'static str,
) -> Result<Option<String>, ControlError> {
    let text = row.read(column, cell::text).map_err(in_cell(table, column))?;
    Ok(text.map(str::to_owned))
}

fn rows(message: &[u8], address: SocketAddr) -> Result<Rows<'_>, ControlError> {
    Rows::read(message).map_err(malformed(address))
}

fn malformed(address: SocketAddr) -> impl Fn(WireError) -> ControlError {
    move |source| DialError::Malformed { step: DialStep::Query, source }.at(address).into()
}

fn in_cell(table: &'static str, column: &'static str) -> impl FnOnce(WireError) -> ControlError {
    move |source| ControlError::Cell { table, column, source }
}

#[cfg(test)]
mod tests;
