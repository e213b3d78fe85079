//! Elements of the schema as the statements that create them, in the server's layout.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::cql::identifier::maybe_quoted;
use crate::cql::identifier::quoted_text;
use crate::cql::type_name;
use crate::store::definitions::schema::Column;
use crate::store::definitions::schema::ColumnKind;
use crate::store::definitions::schema::Keyspace;
use crate::store::definitions::schema::Property;
use crate::store::definitions::schema::Table;
use crate::store::definitions::schema::View;
use cql::values::column_type::ColumnType;

/// Table options in the order in which the server writes them.
const OPTIONS: &[&str] = &[
    "bloom_filter_fp_chance",
    "caching",
    "comment",
    "compaction",
    "compression",
    "crc_check_chance",
    "default_time_to_live",
    "gc_grace_seconds",
    "max_index_interval",
    "memtable_flush_period_in_ms",
    "min_index_interval",
    "speculative_retry",
    "paxos_grace_seconds",
    "cdc",
    "per_partition_rate_limit",
    "tablets",
    "tombstone_gc",
];

/// Options whose value is a text; those of the others are numbers.
const QUOTED: &[&str] = &["comment", "speculative_retry"];

/// CREATE KEYSPACE.
pub(crate) fn keyspace(keyspace: &Keyspace) -> String {
    let tablets = match keyspace.tablets {
        None => " AND tablets = {'enabled': false}".to_owned(),
        Some(0) => String::new(),
        Some(initial) => format!(" AND tablets = {{'initial': {initial}}}"),
    };
    format!(
        "CREATE KEYSPACE {} WITH replication = {} AND durable_writes = {}{tablets};",
        maybe_quoted(&keyspace.name),
        map(&keyspace.replication),
        keyspace.durable_writes
    )
}

/// CREATE TYPE.
pub(crate) fn user_type(keyspace: &str, name: &str, fields: &[(String, ColumnType)]) -> String {
    let fields = fields.iter().map(|(field, field_type)| {
        let shown = type_name::cql_name(field_type, type_name::is_composite(field_type));
        format!("    {} {shown}", maybe_quoted(field))
    });
    let fields: Vec<String> = fields.collect();
    format!("CREATE TYPE {} (\n{}\n);", qualified(keyspace, name), fields.join(",\n"))
}

/// CREATE INDEX.
pub(crate) fn index(table: &Table, name: &str, column: &str) -> String {
    let on = qualified(&table.keyspace, &table.name);
    format!("CREATE INDEX {} ON {on}({});\n", maybe_quoted(name), maybe_quoted(column))
}

/// CREATE TABLE; `internals` adds the table's id.
pub(crate) fn table(table: &Table, internals: bool) -> String {
    let columns = table.columns.iter().map(|column| {
        let is_static = if column.kind == ColumnKind::Static { " static" } else { "" };
        let shown = type_name::cql_name(&column.column_type, column.frozen);
        format!("\n    {} {shown}{is_static},", maybe_quoted(&column.name))
    });
    let columns: String = columns.collect();
    let name = qualified(&table.keyspace, &table.name);
    let key = primary_key(table);
    format!(
        "CREATE TABLE {name} ({columns}\n    PRIMARY KEY {key}\n) WITH {};\n",
        options(table, internals)
    )
}

/// CREATE MATERIALIZED VIEW.
pub(crate) fn view(table: &Table, view: &View, internals: bool) -> String {
    let names = table.columns.iter().map(|column| maybe_quoted(&column.name));
    let names: Vec<String> = names.collect();
    let selection = if view.all_columns { "*".to_owned() } else { names.join(", ") };
    format!(
        "CREATE MATERIALIZED VIEW {} AS\n    SELECT {selection}\n    FROM {}\n    WHERE {}\n    \
         PRIMARY KEY {}\n    WITH {};\n",
        qualified(&table.keyspace, &table.name),
        qualified(&table.keyspace, &view.base),
        view.where_clause,
        primary_key(table),
        options(table, internals)
    )
}

fn qualified(keyspace: &str, name: &str) -> String {
    format!("{}.{}", maybe_quoted(keyspace), maybe_quoted(name))
}

/// `(a, b)`, or `((a, b), c)` for a partition key of several columns.
fn primary_key(table: &Table) -> String {
    let names = |columns: &[Column]| -> Vec<String> {
        columns.iter().map(|column| maybe_quoted(&column.name)).collect()
    };
    let partition = names(table.partition_key()).join(", ");
    let partition = if table.partition_len > 1 { format!("({partition})") } else { partition };
    let mut parts = vec![partition];
    parts.extend(names(table.clustering()));
    format!("({})", parts.join(", "))
}

/// The part after WITH.
fn options(table: &Table, internals: bool) -> String {
    let mut parts = Vec::new();
    if internals {
        parts.push(format!("ID = {}", Uuid::from_bytes(table.id)));
    }
    if table.clustering_len > 0 {
        let order = table.clustering().iter().map(|column| {
            let direction = if column.descending { "DESC" } else { "ASC" };
            format!("{} {direction}", maybe_quoted(&column.name))
        });
        let order: Vec<String> = order.collect();
        parts.push(format!("CLUSTERING ORDER BY ({})", order.join(", ")));
    }
    let garbage = BTreeMap::from([
        ("mode".to_owned(), "timeout".to_owned()),
        ("propagation_delay_in_seconds".to_owned(), "3600".to_owned()),
    ]);
    for name in OPTIONS {
        let value = match table.options.get(*name) {
            Some(Property::Text(text)) if QUOTED.contains(name) => quoted_text(text),
            Some(Property::Text(text)) => text.clone(),
            Some(Property::Map(values)) => map(values),
            None if *name == "tombstone_gc" => map(&garbage),
            None => continue,
        };
        parts.push(format!("{name} = {value}"));
    }
    parts.join("\n    AND ")
}

/// `{'key': 'value'}`, the class first.
fn map(values: &BTreeMap<String, String>) -> String {
    let (class, others): (Vec<_>, Vec<_>) = values.iter().partition(|(key, _)| *key == "class");
    let pairs = class.into_iter().chain(others);
    let pairs: Vec<String> =
        pairs.map(|(key, value)| format!("{}: {}", quoted_text(key), quoted_text(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}
