//! The system tables that drivers and proxies read when they start.

use crate::cells::*;
use crate::cluster::Cluster;

/// One system table: columns and rows.
pub struct Table {
    pub ks: &'static str,
    pub name: &'static str,
    pub cols: Vec<(&'static str, Ty)>,
    pub rows: Vec<Vec<Cell>>,
}

const KS: (&str, Ty) = ("keyspace_name", Ty::Varchar);
const TABLE: (&str, Ty) = ("table_name", Ty::Varchar);

/// Every system table as `node` sees it.
pub fn system_tables(cluster: &Cluster, node: usize) -> Vec<Table> {
    let mut tables = vec![
        local(cluster, node),
        peers(cluster, node),
        keyspaces(cluster),
        user_tables(),
        columns(),
        views(),
    ];
    tables.extend(empty_tables());
    if cluster.shards > 0 {
        tables.push(scylla_tables());
        tables.push(scylla_keyspaces(cluster));
    }
    for t in &tables {
        assert!(t.rows.iter().all(|r| r.len() == t.cols.len()), "{}.{}", t.ks, t.name);
    }
    tables
}

fn schema_table(name: &'static str, cols: Vec<(&'static str, Ty)>, rows: Vec<Vec<Cell>>) -> Table {
    Table { ks: "system_schema", name, cols, rows }
}

/// ScyllaDB of every version calls itself Cassandra 3.0.8.
fn release(cluster: &Cluster) -> &'static str {
    if cluster.shards > 0 { "3.0.8" } else { "3.11.10" }
}

fn schema_version() -> Cell {
    Some(uuid(2, 0, 1).to_vec())
}

fn local(cluster: &Cluster, node: usize) -> Table {
    let ip = || inet(cluster.ip(node));
    let cells = [
        ("key", Ty::Varchar, text("local")),
        ("bootstrapped", Ty::Varchar, text("COMPLETED")),
        ("broadcast_address", Ty::Inet, ip()),
        ("cluster_name", Ty::Varchar, text("nullcql")),
        ("cql_version", Ty::Varchar, text("3.3.1")),
        ("data_center", Ty::Varchar, text(&cluster.dc)),
        ("gossip_generation", Ty::Int, int(1_700_000_000)),
        ("host_id", Ty::Uuid, Some(host_id(node).to_vec())),
        ("listen_address", Ty::Inet, ip()),
        ("native_protocol_version", Ty::Varchar, text("4")),
        ("partitioner", Ty::Varchar, text("org.apache.cassandra.dht.Murmur3Partitioner")),
        ("rack", Ty::Varchar, text(&cluster.rack)),
        ("release_version", Ty::Varchar, text(release(cluster))),
        ("rpc_address", Ty::Inet, ip()),
        ("schema_version", Ty::Uuid, schema_version()),
        ("supported_features", Ty::Varchar, text("")),
        ("tokens", Ty::SetText, texts(&cluster.tokens_of(node))),
        ("truncated_at", Ty::MapUuidBlob, None),
    ];
    one_row("system", "local", cells)
}

/// A table of one row, written column by column.
fn one_row<const N: usize>(
    ks: &'static str,
    name: &'static str,
    cells: [(&'static str, Ty, Cell); N],
) -> Table {
    let cols = cells.iter().map(|(name, ty, _)| (*name, *ty)).collect();
    Table { ks, name, cols, rows: vec![cells.into_iter().map(|(_, _, cell)| cell).collect()] }
}

fn peers(cluster: &Cluster, node: usize) -> Table {
    let cols = vec![
        ("peer", Ty::Inet),
        ("data_center", Ty::Varchar),
        ("host_id", Ty::Uuid),
        ("preferred_ip", Ty::Inet),
        ("rack", Ty::Varchar),
        ("release_version", Ty::Varchar),
        ("rpc_address", Ty::Inet),
        ("schema_version", Ty::Uuid),
        ("supported_features", Ty::Varchar),
        ("tokens", Ty::SetText),
    ];
    let row = |n: usize| {
        vec![
            inet(cluster.ip(n)),
            text(&cluster.dc),
            Some(host_id(n).to_vec()),
            None,
            text(&cluster.rack),
            text(release(cluster)),
            inet(cluster.ip(n)),
            schema_version(),
            text(""),
            texts(&cluster.tokens_of(n)),
        ]
    };
    let rows = (0..cluster.nodes).filter(|n| *n != node).map(row).collect();
    Table { ks: "system", name: "peers", cols, rows }
}

fn keyspaces(cluster: &Cluster) -> Table {
    let rf = cluster.rf.to_string();
    let class = |name: &'static str| ("class", name);
    let networked =
        map(&[class("org.apache.cassandra.locator.NetworkTopologyStrategy"), (&cluster.dc, &rf)]);
    let local = map(&[class("org.apache.cassandra.locator.LocalStrategy")]);
    let cols = vec![KS, ("durable_writes", Ty::Boolean), ("replication", Ty::MapTextText)];
    let rows = vec![
        vec![text("ks"), boolean(true), networked],
        vec![text("system"), boolean(true), local.clone()],
        vec![text("system_schema"), boolean(true), local],
    ];
    schema_table("keyspaces", cols, rows)
}

fn user_tables() -> Table {
    let compaction = "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy";
    let cells = [
        ("keyspace_name", Ty::Varchar, text("ks")),
        ("table_name", Ty::Varchar, text("t")),
        ("bloom_filter_fp_chance", Ty::Double, double(0.01)),
        ("caching", Ty::MapTextText, map(&[("keys", "ALL"), ("rows_per_partition", "ALL")])),
        ("comment", Ty::Varchar, text("")),
        ("compaction", Ty::MapTextText, map(&[("class", compaction)])),
        ("compression", Ty::MapTextText, map(&[])),
        ("crc_check_chance", Ty::Double, double(1.0)),
        ("dclocal_read_repair_chance", Ty::Double, double(0.0)),
        ("default_time_to_live", Ty::Int, int(0)),
        ("extensions", Ty::MapTextBlob, map(&[])),
        ("flags", Ty::SetText, texts(&["compound".to_string()])),
        ("gc_grace_seconds", Ty::Int, int(864_000)),
        ("id", Ty::Uuid, Some(uuid(3, 0, 1).to_vec())),
        ("max_index_interval", Ty::Int, int(2048)),
        ("memtable_flush_period_in_ms", Ty::Int, int(0)),
        ("min_index_interval", Ty::Int, int(128)),
        ("read_repair_chance", Ty::Double, double(0.0)),
        ("speculative_retry", Ty::Varchar, text("99.0PERCENTILE")),
    ];
    one_row("system_schema", "tables", cells)
}

fn columns() -> Table {
    let cols = vec![
        KS,
        TABLE,
        ("column_name", Ty::Varchar),
        ("clustering_order", Ty::Varchar),
        ("column_name_bytes", Ty::Blob),
        ("kind", Ty::Varchar),
        ("position", Ty::Int),
        ("type", Ty::Varchar),
    ];
    let row = |name: &str, kind: &str, position: i32, ty: &str| {
        let order = text("none");
        vec![
            text("ks"),
            text("t"),
            text(name),
            order,
            text(name),
            text(kind),
            int(position),
            text(ty),
        ]
    };
    let rows = vec![
        row("big", "regular", -1, "blob"),
        row("pk", "partition_key", 0, "bigint"),
        row("v", "regular", -1, "blob"),
    ];
    schema_table("columns", cols, rows)
}

fn views() -> Table {
    let cols = vec![
        KS,
        ("view_name", Ty::Varchar),
        ("base_table_id", Ty::Uuid),
        ("base_table_name", Ty::Varchar),
        ("bloom_filter_fp_chance", Ty::Double),
        ("caching", Ty::MapTextText),
        ("comment", Ty::Varchar),
        ("compaction", Ty::MapTextText),
        ("compression", Ty::MapTextText),
        ("crc_check_chance", Ty::Double),
        ("dclocal_read_repair_chance", Ty::Double),
        ("default_time_to_live", Ty::Int),
        ("extensions", Ty::MapTextBlob),
        ("gc_grace_seconds", Ty::Int),
        ("id", Ty::Uuid),
        ("include_all_columns", Ty::Boolean),
        ("max_index_interval", Ty::Int),
        ("memtable_flush_period_in_ms", Ty::Int),
        ("min_index_interval", Ty::Int),
        ("read_repair_chance", Ty::Double),
        ("speculative_retry", Ty::Varchar),
        ("where_clause", Ty::Varchar),
    ];
    schema_table("views", cols, vec![])
}

/// The tables that drivers read and that have no row here.
fn empty_tables() -> Vec<Table> {
    use Ty::*;
    let types =
        vec![KS, ("type_name", Varchar), ("field_names", ListText), ("field_types", ListText)];
    let functions = vec![
        KS,
        ("function_name", Varchar),
        ("argument_types", ListText),
        ("argument_names", ListText),
        ("body", Varchar),
        ("called_on_null_input", Boolean),
        ("language", Varchar),
        ("return_type", Varchar),
    ];
    let aggregates = vec![
        KS,
        ("aggregate_name", Varchar),
        ("argument_types", ListText),
        ("final_func", Varchar),
        ("initcond", Varchar),
        ("return_type", Varchar),
        ("state_func", Varchar),
        ("state_type", Varchar),
    ];
    let options = ("options", MapTextText);
    let triggers = vec![KS, TABLE, ("trigger_name", Varchar), options];
    let indexes = vec![KS, TABLE, ("index_name", Varchar), ("kind", Varchar), options];
    let dropped =
        vec![KS, TABLE, ("column_name", Varchar), ("dropped_time", Bigint), ("type", Varchar)];
    vec![
        schema_table("types", types, vec![]),
        schema_table("functions", functions, vec![]),
        schema_table("aggregates", aggregates, vec![]),
        schema_table("triggers", triggers, vec![]),
        schema_table("indexes", indexes, vec![]),
        schema_table("dropped_columns", dropped, vec![]),
    ]
}

/// A null partitioner is the cluster's own.
fn scylla_tables() -> Table {
    let cells = [
        ("keyspace_name", Ty::Varchar, text("ks")),
        ("table_name", Ty::Varchar, text("t")),
        ("cdc", Ty::MapTextText, None),
        ("partitioner", Ty::Varchar, None),
        ("version", Ty::Uuid, Some(uuid(4, 0, 1).to_vec())),
    ];
    one_row("system_schema", "scylla_tables", cells)
}

/// Has a row for keyspaces with tablets only; 0 is what CREATE KEYSPACE without a number leaves.
fn scylla_keyspaces(cluster: &Cluster) -> Table {
    let cols = vec![
        KS,
        ("initial_tablets", Ty::Int),
        ("storage_options", Ty::MapTextText),
        ("storage_type", Ty::Varchar),
    ];
    let tablets = vec![vec![text("ks"), int(0), None, None]];
    let rows = if cluster.tablets > 0 { tablets } else { vec![] };
    schema_table("scylla_keyspaces", cols, rows)
}
