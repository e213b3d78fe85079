//! The rows of `system_schema`, made of the schema itself.

use std::collections::BTreeMap;

use crate::cql::type_name;
use crate::cql::values::elements;
use crate::store::definitions::schema::Column;
use crate::store::definitions::schema::ColumnKind;
use crate::store::definitions::schema::Keyspace;
use crate::store::definitions::schema::Schema;
use crate::store::definitions::schema::Table;
use crate::store::plans::request::SystemRow;
use crate::store::plans::request::Wanted;
use crate::store::plans::request::is_wanted;

/// Cells by column name.
type Named = Vec<(&'static str, Vec<u8>)>;

/// The rows of `system_schema.<table>`, in the order of the table's columns: at least those of the
/// keyspaces that are wanted, and of what is wanted in them by the second column of the key.
pub(crate) fn rows(
    schema: &Schema,
    table: &Table,
    keyspaces: Wanted<'_>,
    names: Wanted<'_>,
) -> Vec<SystemRow> {
    let mut out = Vec::new();
    let second = table.columns.get(1).map(|column| column.name.as_str());
    let names = names.filter(|_| matches!(second, Some("table_name" | "view_name")));
    let all = schema.keyspaces.values();
    for keyspace in all.filter(|keyspace| is_wanted(keyspaces, keyspace.name.as_bytes())) {
        named_rows(keyspace, &table.name, names, &mut |named| {
            let cell = |column: &Column| {
                named.iter().find(|(name, _)| *name == column.name).map(|(_, value)| value.clone())
            };
            out.push(table.columns.iter().map(cell).collect());
        });
    }
    out
}

fn named_rows(keyspace: &Keyspace, name: &str, names: Wanted<'_>, push: &mut dyn FnMut(Named)) {
    let tables = keyspace.tables.values();
    let tables = tables.filter(|table| is_wanted(names, table.name.as_bytes()));
    match name {
        "keyspaces" => push(vec![
            ("keyspace_name", text(&keyspace.name)),
            ("durable_writes", flag(keyspace.durable_writes)),
            ("replication", map(&keyspace.replication)),
        ]),
        "scylla_keyspaces" => {
            if let Some(initial) = keyspace.tablets {
                let initial = initial.to_be_bytes().to_vec();
                push(vec![("keyspace_name", text(&keyspace.name)), ("initial_tablets", initial)]);
            }
        }
        "tables" => tables.filter(|table| table.view.is_none()).for_each(|table| {
            let mut row = vec![("table_name", text(&table.name)), ("flags", list(&["compound"]))];
            if table.is_counter() {
                row.retain(|(name, _)| *name != "flags");
                row.push(("flags", list(&["compound", "counter"])));
            }
            row.extend(options(table));
            push(row);
        }),
        "views" => tables.for_each(|table| {
            if let Some(view) = &table.view {
                let mut row = vec![
                    ("view_name", text(&table.name)),
                    ("base_table_id", view.base_id.to_vec()),
                    ("base_table_name", text(&view.base)),
                    ("include_all_columns", flag(view.all_columns)),
                    ("where_clause", text(&view.where_clause)),
                ];
                row.extend(options(table));
                push(row);
            }
        }),
        "columns" => tables.for_each(|table| columns(table, push)),
        "scylla_tables" => tables.for_each(|table| push(scylla_table(table))),
        "indexes" => tables.for_each(|table| {
            for (index, target) in &table.indexes {
                let options = BTreeMap::from([("target".to_owned(), target.clone())]);
                push(vec![
                    ("keyspace_name", text(&table.keyspace)),
                    ("table_name", text(&table.name)),
                    ("index_name", text(index)),
                    ("kind", text("COMPOSITES")),
                    ("options", map(&options)),
                ]);
            }
        }),
        "types" => types(keyspace, push),
        "dropped_columns" => tables.for_each(|table| {
            for (column, (shown, micros)) in &table.dropped {
                push(vec![
                    ("keyspace_name", text(&table.keyspace)),
                    ("table_name", text(&table.name)),
                    ("column_name", text(column)),
                    ("dropped_time", micros.div_euclid(1000).to_be_bytes().to_vec()),
                    ("type", text(shown)),
                ]);
            }
        }),
        _ => {}
    }
}

fn types(keyspace: &Keyspace, push: &mut dyn FnMut(Named)) {
    for (name, fields) in &keyspace.types {
        let names: Vec<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
        let types: Vec<String> =
            fields.iter().map(|(_, field)| type_name::cql_name(field, true)).collect();
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        push(vec![
            ("keyspace_name", text(&keyspace.name)),
            ("type_name", text(name)),
            ("field_names", list(&names)),
            ("field_types", list(&types)),
        ]);
    }
}

/// What tables and views have in common.
fn options(table: &Table) -> Named {
    let mut row = vec![
        ("keyspace_name", text(&table.keyspace)),
        ("id", table.id.to_vec()),
        ("extensions", 0i32.to_be_bytes().to_vec()),
    ];
    for name in ["comment", "speculative_retry"] {
        row.extend(table.text_option(name).map(|value| (name, text(value))));
    }
    for name in [
        "bloom_filter_fp_chance",
        "crc_check_chance",
        "dclocal_read_repair_chance",
        "read_repair_chance",
    ] {
        let number = table.text_option(name).and_then(|value| value.parse::<f64>().ok());
        row.extend(number.map(|number| (name, number.to_be_bytes().to_vec())));
    }
    for name in [
        "default_time_to_live",
        "gc_grace_seconds",
        "max_index_interval",
        "memtable_flush_period_in_ms",
        "min_index_interval",
    ] {
        let number = table.text_option(name).and_then(|value| value.parse::<i32>().ok());
        row.extend(number.map(|number| (name, number.to_be_bytes().to_vec())));
    }
    for name in ["caching", "compaction", "compression"] {
        row.extend(table.map_option(name).map(|value| (name, map(value))));
    }
    row
}

fn scylla_table(table: &Table) -> Named {
    let mut version = table.id.to_vec();
    for (byte, with) in version.iter_mut().rev().zip(table.version.to_le_bytes()) {
        *byte ^= with;
    }
    let mut row = vec![
        ("keyspace_name", text(&table.keyspace)),
        ("table_name", text(&table.name)),
        ("version", version),
    ];
    row.extend(table.text_option("partitioner").map(|class| ("partitioner", text(class))));
    for name in ["cdc", "tablets"] {
        row.extend(table.map_option(name).map(|value| (name, map(value))));
    }
    row
}

fn columns(table: &Table, push: &mut dyn FnMut(Named)) {
    for (at, column) in table.columns.iter().enumerate() {
        let (kind, position) = match column.kind {
            ColumnKind::PartitionKey => ("partition_key", i32::try_from(at).unwrap_or(-1)),
            ColumnKind::Clustering => {
                ("clustering", i32::try_from(at - table.partition_len).unwrap_or(-1))
            }
            ColumnKind::Static => ("static", -1),
            ColumnKind::Regular => ("regular", -1),
        };
        let order = match (column.kind, column.descending) {
            (ColumnKind::Clustering, true) => "DESC",
            (ColumnKind::Clustering, false) => "ASC",
            _ => "NONE",
        };
        push(vec![
            ("keyspace_name", text(&table.keyspace)),
            ("table_name", text(&table.name)),
            ("column_name", text(&column.name)),
            ("clustering_order", text(order)),
            ("column_name_bytes", text(&column.name)),
            ("kind", text(kind)),
            ("position", position.to_be_bytes().to_vec()),
            ("type", text(&type_name::cql_name(&column.column_type, column.frozen))),
        ]);
    }
}

fn text(value: &str) -> Vec<u8> {
    value.as_bytes().to_vec()
}

fn flag(value: bool) -> Vec<u8> {
    vec![u8::from(value)]
}

fn list(values: &[&str]) -> Vec<u8> {
    elements::join(values.len(), values.iter().map(|value| value.as_bytes()))
}

fn map(values: &BTreeMap<String, String>) -> Vec<u8> {
    let flat = values.iter().flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]);
    elements::join(values.len(), flat)
}
