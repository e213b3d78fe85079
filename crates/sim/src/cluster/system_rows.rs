//! The rows of the virtual system tables: `system.local`, `peers`, `tablets`, `clients`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::cluster::client_routes::ClientRoutes;
use crate::cluster::connections::Connections;
use crate::cluster::life::member::Member;
use crate::cluster::replicas::layout::Layout;
use crate::cluster::seed::schema_version;
use crate::cluster::traces::Traces;
use crate::like::Like;
use crate::node::connection::Connection;
use crate::store::definitions::schema::{Schema, Table};
use crate::store::plans::request::{SystemRow, SystemRows, Wanted, is_wanted};
use cql::notation::{put_bytes, put_int};
use cql::response::supported::MURMUR3;

/// The version that every ScyllaDB reports, so that drivers treat it as Cassandra 3.
const RELEASE_VERSION: &str = "3.0.8";
/// Some of the features that a real node lists; drivers don't look.
const FEATURES: &str = "CDC,COMPUTED_COLUMNS,LWT,TABLETS,VIEW_VIRTUAL_COLUMNS";

pub(crate) type Cell = Option<Vec<u8>>;

/// The columns of the system tables, in the order that rows want them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    tables: BTreeMap<String, Vec<String>>,
}

impl Columns {
    /// Reads them from the schema.
    #[must_use]
    pub(crate) fn read(schema: &Schema) -> Self {
        let keyspaces = ["system", "system_traces"].into_iter();
        let keyspaces = keyspaces.filter_map(|name| schema.keyspaces.get(name));
        let tables = keyspaces.flat_map(|keyspace| &keyspace.tables);
        let names =
            |table: &Table| table.columns.iter().map(|column| column.name.clone()).collect();
        Self { tables: tables.map(|(name, table)| (name.clone(), names(table))).collect() }
    }

    /// Puts `cells` in order; columns that are not among them are null.
    pub(crate) fn row(&self, table: &str, cells: Vec<(&str, Cell)>) -> SystemRow {
        let mut cells: BTreeMap<&str, Cell> = cells.into_iter().collect();
        let columns = self.tables.get(table).map(Vec::as_slice).unwrap_or_default();
        columns.iter().map(|column| cells.remove(column.as_str()).flatten()).collect()
    }
}

/// The state that one node reads while it runs one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// The nodes.
    pub members: &'a [Member],
    /// Where rows lie.
    pub layout: &'a Layout,
    /// Clients but the one that asks.
    pub connections: &'a Connections,
    /// Columns of the system tables.
    pub columns: &'a Columns,
    /// Where nodes are for clients behind private endpoints.
    pub client_routes: &'a ClientRoutes,
    /// The name of the cluster.
    pub name: &'a str,
    /// The imitated server.
    pub like: Like,
    /// Traces of requests that asked for one.
    pub traces: &'a Traces,
    /// Seed of the schema versions.
    pub seed: u64,
    /// The client that asks.
    pub asking: &'a Connection,
}

impl SystemRows for View<'_> {
    fn cluster_name(&self) -> &str {
        self.name
    }

    fn rows(&self, keyspace: &str, table: &str, wanted: Wanted<'_>) -> Option<Vec<SystemRow>> {
        if keyspace == "system_traces" {
            return self.trace_rows(table);
        }
        if keyspace != "system" {
            return None;
        }
        match table {
            "local" => {
                let me = self.members.get(self.asking.node)?;
                Some(vec![self.columns.row(table, self.local(me))])
            }
            "peers" => {
                let members = self.members.iter().enumerate();
                let others = members.filter(|(node, it)| *node != self.asking.node && it.belongs());
                Some(others.map(|(_, it)| self.columns.row(table, self.peer(it))).collect())
            }
            "tablets" => Some(self.tablets(wanted)),
            "client_routes" => {
                let rows = self.client_routes.iter();
                Some(rows.map(|route| self.columns.row(table, client_route(route))).collect())
            }
            "versions" => Some(vec![self.columns.row(table, self.version())]),
            "roles" => {
                let user = self.asking.user.as_deref();
                Some(user.map(|user| self.columns.row(table, role(user))).into_iter().collect())
            }
            "clients" => {
                let here = |it: &&Connection| it.node == self.asking.node;
                let others = self.connections.iter().filter(here);
                let all = others.chain([self.asking]);
                Some(all.map(|it| self.columns.row(table, client(it))).collect())
            }
            _ => None,
        }
    }
}

impl View<'_> {
    fn local(&self, me: &Member) -> Vec<(&'static str, Cell)> {
        vec![
            ("key", text("local")),
            ("bootstrapped", text("COMPLETED")),
            ("broadcast_address", inet(me.address)),
            ("cluster_name", text(self.name)),
            ("cql_version", text("3.3.1")),
            ("data_center", text(&me.data_center)),
            ("gossip_generation", int(1_700_000_000)),
            ("host_id", Some(me.host_id.to_vec())),
            ("listen_address", inet(me.address)),
            ("native_protocol_version", text("4")),
            ("partitioner", text(MURMUR3)),
            ("rack", text(&me.rack)),
            ("release_version", text(RELEASE_VERSION)),
            ("rpc_address", inet(me.address)),
            ("schema_version", Some(schema_version(self.seed, me.schema_seen).to_vec())),
            ("supported_features", text(FEATURES)),
            ("tokens", tokens(&me.tokens)),
        ]
    }

    fn version(&self) -> Vec<(&'static str, Cell)> {
        let version = match self.like {
            Like::V6_2 => "6.2.3",
            Like::V2026_3 => "2026.3.0",
        };
        vec![("key", text("local")), ("build_mode", text("release")), ("version", text(version))]
    }

    fn peer(&self, it: &Member) -> Vec<(&'static str, Cell)> {
        vec![
            ("peer", inet(it.address)),
            ("data_center", text(&it.data_center)),
            ("host_id", Some(it.host_id.to_vec())),
            ("rack", text(&it.rack)),
            ("release_version", text(RELEASE_VERSION)),
            ("rpc_address", inet(it.address)),
            ("schema_version", Some(schema_version(self.seed, it.schema_seen).to_vec())),
            ("supported_features", text(FEATURES)),
            ("tokens", tokens(&it.tokens)),
        ]
    }

    fn tablets(&self, wanted: Wanted<'_>) -> Vec<SystemRow> {
        let mut rows = Vec::new();
        for (keyspace, name, table) in self.layout.tables() {
            let Some(tablets) = &table.tablets else { continue };
            let count = i32::try_from(tablets.all().len()).unwrap_or(i32::MAX);
            let is_wanted = is_wanted(wanted, &tablets.table_id);
            for tablet in tablets.all().iter().filter(|_| is_wanted) {
                let mut cells = vec![
                    ("table_id", Some(tablets.table_id.to_vec())),
                    ("last_token", Some(tablet.last.to_be_bytes().to_vec())),
                    ("keyspace_name", text(keyspace)),
                    ("table_name", text(name)),
                    ("tablet_count", int(count)),
                    ("resize_type", text("none")),
                    ("resize_seq_number", Some(0_i64.to_be_bytes().to_vec())),
                    ("replicas", Some(self.replicas(&tablet.replicas))),
                    ("sstables_repaired_at", Some(0_i64.to_be_bytes().to_vec())),
                ];
                if let Some(replicas) = tablet.new_replicas() {
                    cells.push(("new_replicas", Some(self.replicas(&replicas))));
                    cells.push(("stage", text("streaming")));
                    cells.push(("transition", text("migration")));
                }
                rows.push(self.columns.row("tablets", cells));
            }
            if let Some((name, id)) = &table.co_located {
                let cells = vec![
                    ("table_id", Some(id.to_vec())),
                    ("base_table", Some(tablets.table_id.to_vec())),
                    ("keyspace_name", text(keyspace)),
                    ("table_name", text(name)),
                ];
                rows.push(self.columns.row("tablets", cells));
            }
        }
        rows
    }

    /// `list<tuple<uuid, int>>`.
    fn replicas(&self, replicas: &[(usize, u16)]) -> Vec<u8> {
        let mut list = Vec::new();
        put_int(&mut list, i32::try_from(replicas.len()).unwrap_or(i32::MAX));
        for (node, shard) in replicas {
            let mut tuple = Vec::new();
            let host_id = self.members.get(*node).map_or([0; 16], |member| member.host_id);
            put_bytes(&mut tuple, Some(&host_id));
            put_bytes(&mut tuple, Some(&i32::from(*shard).to_be_bytes()));
            put_bytes(&mut list, Some(&tuple));
        }
        list
    }
}

/// The one role. As on a fresh real server, `cassandra` is the superuser.
fn role(user: &str) -> Vec<(&'static str, Cell)> {
    let is_superuser = Some(vec![u8::from(user == "cassandra")]);
    vec![("role", text(user)), ("can_login", Some(vec![1])), ("is_superuser", is_superuser)]
}

fn client_route(
    ((connection_id, host_id), (address, port)): (&(String, [u8; 16]), &(String, u16)),
) -> Vec<(&'static str, Cell)> {
    vec![
        ("connection_id", text(connection_id)),
        ("host_id", Some(host_id.to_vec())),
        ("address", text(address)),
        ("port", int(i32::from(*port))),
        ("tls_port", int(i32::from(*port))),
    ]
}

fn client(it: &Connection) -> Vec<(&'static str, Cell)> {
    let option = |key: &str| {
        let found = it.startup.iter().find(|(name, _)| name == key);
        found.and_then(|(_, value)| text(value))
    };
    let mut options = Vec::new();
    put_int(&mut options, i32::try_from(it.startup.len()).unwrap_or(i32::MAX));
    for (key, value) in &it.startup {
        put_bytes(&mut options, Some(key.as_bytes()));
        put_bytes(&mut options, Some(value.as_bytes()));
    }
    vec![
        ("address", inet(it.peer.ip())),
        ("port", int(i32::from(it.peer.port()))),
        ("client_type", text("cql")),
        ("connection_stage", text(it.phase.word())),
        ("driver_name", option("DRIVER_NAME")),
        ("driver_version", option("DRIVER_VERSION")),
        ("protocol_version", int(i32::from(it.version.unwrap_or(4)))),
        ("scheduling_group", text("statement")),
        ("shard_id", int(i32::from(it.shard))),
        ("ssl_enabled", Some(vec![0])),
        ("username", text(it.user.as_deref().unwrap_or("anonymous"))),
        ("client_options", Some(options)),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "a cell may be null, these are not")]
pub(crate) fn text(text: &str) -> Cell {
    Some(text.as_bytes().to_vec())
}

#[expect(clippy::unnecessary_wraps, reason = "a cell may be null, these are not")]
pub(crate) fn int(number: i32) -> Cell {
    Some(number.to_be_bytes().to_vec())
}

#[expect(clippy::unnecessary_wraps, reason = "a cell may be null, these are not")]
pub(crate) fn inet(address: IpAddr) -> Cell {
    Some(match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    })
}

/// `set<text>`, sorted as text.
#[expect(clippy::unnecessary_wraps, reason = "a cell may be null, these are not")]
fn tokens(tokens: &[i64]) -> Cell {
    let mut texts: Vec<String> = tokens.iter().map(i64::to_string).collect();
    texts.sort_unstable();
    let mut set = Vec::new();
    put_int(&mut set, i32::try_from(texts.len()).unwrap_or(i32::MAX));
    for text in texts {
        put_bytes(&mut set, Some(text.as_bytes()));
    }
    Some(set)
}

#[cfg(test)]
mod tests;
