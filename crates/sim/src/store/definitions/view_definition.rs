//! Materialized views and secondary indexes: defined as tables, filled from their base.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cql::ast::CreateView;
use crate::cql::ast::Ddl;
use crate::cql::ast::Left;
use crate::cql::ast::Name;
use crate::cql::error::CqlError;
use crate::cql::identifier::maybe_quoted;
use crate::store::data::cell::Cell;
use crate::store::data::key;
use crate::store::data::rows::Partition;
use crate::store::data::rows::Slice;
use crate::store::data::rows::TableRows;
use crate::store::data::rows::View as RowView;
use crate::store::definitions::options;
use crate::store::definitions::schema::Column;
use crate::store::definitions::schema::ColumnKind;
use crate::store::definitions::schema::Schema;
use crate::store::definitions::schema::Table;
use crate::store::definitions::schema::View;
use crate::store::definitions::setting;
use crate::store::definitions::setting::Changes;
use crate::store::definitions::setting::Setting;
use crate::store::execution::outcome::Change;
use crate::store::execution::outcome::Target;
use cql::values::column_type::ColumnType;

/// The column by which an index sorts rows of equal value.
const INDEX_TOKEN: &str = "idx_token";

/// CREATE MATERIALIZED VIEW.
pub(crate) fn create(schema: &mut Schema, create: &CreateView, setting: Setting<'_>) -> Changes {
    let name = &create.view.name;
    let keyspace_name = setting::keyspace_mut(schema, &create.view, setting)?.name.clone();
    let base = Arc::clone(schema.find(&create.base, setting.used)?);
    if schema.table(&keyspace_name, name).is_some() {
        if create.if_not_exists {
            return Ok(Vec::new());
        }
        return Err(CqlError::AlreadyExists {
            message: format!(
                "Cannot add already existing table \"{name}\" to keyspace \"{keyspace_name}\""
            ),
            keyspace: keyspace_name,
            table: name.clone(),
        });
    }
    let keys: Vec<&String> = create.partition_key.iter().chain(&create.clustering).collect();
    check(&base, create, &keys)?;
    let mut columns = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let mut column = base_column(&base, key)?.clone();
        let partition = at < create.partition_key.len();
        column.kind = if partition { ColumnKind::PartitionKey } else { ColumnKind::Clustering };
        column.descending = create.order.iter().any(|(on, descending)| on == *key && *descending);
        columns.push(column);
    }
    for column in base.columns.iter().filter(|column| !keys.contains(&&column.name)) {
        let chosen = create.selection.is_empty() || create.selection.contains(&column.name);
        if chosen && column.kind == ColumnKind::Regular {
            columns.push(column.clone());
        }
    }
    let shown: Vec<String> =
        keys.iter().map(|key| format!("{} IS NOT null", maybe_quoted(key))).collect();
    let mut view = derive(&base, name, columns, setting);
    view.partition_len = create.partition_key.len();
    view.clustering_len = create.clustering.len();
    view.view = Some(View {
        base: base.name.clone(),
        base_id: base.id,
        all_columns: create.selection.is_empty(),
        where_clause: shown.join(" AND "),
    });
    options::set_table(&mut view.options, &create.properties)?;
    view.sort_columns();
    touch(schema, &base, None);
    insert(schema, &keyspace_name, view);
    Ok(vec![
        setting::change(Change::Created, Target::Table, &keyspace_name, name),
        setting::change(Change::Updated, Target::Table, &keyspace_name, &base.name),
    ])
}

/// Refuses a view that the server refuses for its key or its selection.
fn check(base: &Table, create: &CreateView, keys: &[&String]) -> Result<(), CqlError> {
    let name = &create.view.name;
    let base_len = base.partition_len + base.clustering_len;
    for column in base.columns.iter().take(base_len) {
        if !keys.contains(&&column.name) {
            return Err(CqlError::invalid(format!(
                "Cannot create Materialized View {name} without primary key columns from base {} \
                 ({})",
                base.name, column.name
            )));
        }
    }
    for key in keys {
        let named = create.relations.iter().any(|r| r.left == Left::Column((*key).clone()));
        if !named {
            return Err(CqlError::invalid(format!(
                "Primary key column '{key}' is required to be filtered by 'IS NOT NULL'"
            )));
        }
    }
    let statics = base.columns.iter().find(|column| column.kind == ColumnKind::Static);
    if let Some(column) = statics.filter(|_| create.selection.is_empty()) {
        return Err(CqlError::invalid(format!(
            "Unable to include static column '{}' which would be included by Materialized View \
             SELECT * statement",
            column.name
        )));
    }
    if let Some(unknown) = create.selection.iter().find(|name| base.position(name).is_none()) {
        return Err(CqlError::invalid(format!("Unrecognized name {unknown}")));
    }
    Ok(())
}

fn base_column<'t>(base: &'t Table, name: &str) -> Result<&'t Column, CqlError> {
    let found = base.columns.iter().find(|column| column.name == *name);
    found.ok_or_else(|| CqlError::invalid(format!("Unrecognized name {name}")))
}

fn derive(base: &Table, name: &str, columns: Vec<Column>, setting: Setting<'_>) -> Table {
    Table {
        id: setting.id,
        keyspace: base.keyspace.clone(),
        name: name.to_owned(),
        next_column_id: base.next_column_id,
        columns,
        partition_len: 1,
        clustering_len: 0,
        version: 1,
        options: options::table_defaults(),
        indexes: BTreeMap::new(),
        view: None,
        dropped: BTreeMap::new(),
    }
}

fn insert(schema: &mut Schema, keyspace_name: &str, table: Table) {
    if let Some(keyspace) = schema.keyspaces.get_mut(keyspace_name) {
        keyspace.tables.insert(table.name.clone(), Arc::new(table));
    }
}

/// A new version of the base table, with another index if there is one.
fn touch(schema: &mut Schema, base: &Table, index: Option<(&str, &str)>) {
    let mut altered = base.clone();
    altered.version += 1;
    if let Some((name, column)) = index {
        altered.indexes.insert(name.to_owned(), column.to_owned());
    }
    insert(schema, &base.keyspace, altered);
}

/// CREATE INDEX.
pub(crate) fn create_index(schema: &mut Schema, ddl: &Ddl, setting: Setting<'_>) -> Changes {
    let Ddl::CreateIndex { name, table, column, if_not_exists } = ddl else {
        return Ok(Vec::new());
    };
    let base = Arc::clone(schema.find(table, setting.used)?);
    setting::guard(&base.keyspace, setting)?;
    let Some(target) = base.columns.iter().find(|candidate| candidate.name == *column) else {
        return Err(CqlError::invalid(format!("No column definition found for column {column}")));
    };
    if base.partition_len == 1 && target.kind == ColumnKind::PartitionKey {
        return Err(CqlError::invalid(format!(
            "Cannot create secondary index on partition key column {column}"
        )));
    }
    let is_taken = |name: &str| {
        let keyspace = schema.keyspaces.get(&base.keyspace);
        let mut tables = keyspace.into_iter().flat_map(|keyspace| keyspace.tables.values());
        tables.any(|table| table.indexes.contains_key(name))
    };
    let generated = || {
        let plain = format!("{}_{column}_idx", base.name);
        let mut numbered = (1..).map(|number| format!("{plain}_{number}"));
        if is_taken(&plain) { numbered.find(|name| !is_taken(name)) } else { None }.unwrap_or(plain)
    };
    let duplicate = base.indexes.iter().find(|(_, indexed)| *indexed == column);
    if *if_not_exists && (duplicate.is_some() || name.as_deref().is_some_and(is_taken)) {
        return Ok(Vec::new());
    }
    let name = name.clone().unwrap_or_else(generated);
    if is_taken(&name) {
        return Err(CqlError::invalid(format!("Index {name} already exists")));
    }
    if let Some((other, _)) = duplicate {
        return Err(CqlError::invalid(format!(
            "Index {name} is a duplicate of existing index {other}"
        )));
    }
    let view_name = format!("{name}_index");
    let key =
        |column: &Column, kind: ColumnKind| Column { kind, descending: false, ..column.clone() };
    let mut columns = vec![key(target, ColumnKind::PartitionKey)];
    columns.push(Column {
        id: u32::MAX,
        name: INDEX_TOKEN.to_owned(),
        kind: ColumnKind::Clustering,
        column_type: ColumnType::Bigint,
        frozen: false,
        descending: false,
    });
    let base_len = base.partition_len + base.clustering_len;
    let rest = base.columns.iter().take(base_len).filter(|other| other.name != *column);
    columns.extend(rest.map(|other| key(other, ColumnKind::Clustering)));
    let mut view = derive(&base, &view_name, columns, setting);
    view.clustering_len = view.columns.len() - 1;
    view.view = Some(View {
        base: base.name.clone(),
        base_id: base.id,
        all_columns: false,
        where_clause: format!("{column} IS NOT NULL"),
    });
    touch(schema, &base, Some((&name, column)));
    insert(schema, &base.keyspace, view);
    Ok(vec![
        setting::change(Change::Updated, Target::Table, &base.keyspace, &base.name),
        setting::change(Change::Created, Target::Table, &base.keyspace, &view_name),
    ])
}

/// DROP MATERIALIZED VIEW.
pub(crate) fn drop(schema: &mut Schema, name: &Name, setting: Setting<'_>) -> Changes {
    let keyspace = setting::keyspace_mut(schema, name, setting)?;
    let keyspace_name = keyspace.name.clone();
    let Some(view) = keyspace.tables.get(&name.name) else {
        return Err(CqlError::Configuration(format!(
            "Cannot drop non existing materialized view '{}' in keyspace '{keyspace_name}'.",
            name.name
        )));
    };
    if view.view.is_none() {
        return Err(CqlError::invalid("Cannot use DROP MATERIALIZED VIEW on Table"));
    }
    keyspace.tables.remove(&name.name);
    Ok(vec![setting::change(Change::Dropped, Target::Table, &keyspace_name, &name.name)])
}

/// DROP INDEX.
pub(crate) fn drop_index(schema: &mut Schema, name: &Name, setting: Setting<'_>) -> Changes {
    let keyspace = setting::keyspace_mut(schema, name, setting)?;
    let keyspace_name = keyspace.name.clone();
    let has = |table: &&Arc<Table>| table.indexes.contains_key(&name.name);
    let Some(base) = keyspace.tables.values().find(has).cloned() else {
        return Err(CqlError::invalid(format!(
            "Index '{}' could not be found in any of the tables of keyspace '{keyspace_name}'",
            name.name
        )));
    };
    let view = format!("{}_index", name.name);
    keyspace.tables.remove(&view);
    let mut altered = Table::clone(&base);
    altered.version += 1;
    altered.indexes.remove(&name.name);
    keyspace.tables.insert(base.name.clone(), Arc::new(altered));
    Ok(vec![
        setting::change(Change::Updated, Target::Table, &keyspace_name, &base.name),
        setting::change(Change::Dropped, Target::Table, &keyspace_name, &view),
    ])
}

/// The rows of a view, computed from those of its base.
pub(crate) fn rows(view: &Table, base: &Table, base_rows: &TableRows, now: i64) -> TableRows {
    let mut out = TableRows::default();
    for ((token, _), partition) in &base_rows.partitions {
        for (_, row) in partition.live_rows(&Slice::default(), false, now) {
            let row = RowView { token: *token, partition, row: Some(row), now };
            let value = |column: &Column| match base.position(&column.name) {
                Some(at) => row.value(at, base.columns.get(at)?),
                None => Some(token.to_be_bytes().to_vec()),
            };
            let cells: Vec<Option<Vec<u8>>> = view.columns.iter().map(value).collect();
            put(&mut out, view, &cells);
        }
    }
    out
}

/// Puts one row of cells in the order of the table's columns; a row without
/// its partition key is left out, and of one without its clustering key only the static cells stay.
pub(crate) fn put(rows: &mut TableRows, table: &Table, cells: &[Option<Vec<u8>>]) {
    let key_len = table.partition_len + table.clustering_len;
    let (partition, clustering) = cells.split_at_checked(table.partition_len).unwrap_or_default();
    let components: Option<Vec<Vec<u8>>> = partition.iter().cloned().collect();
    let Some(components) = components.filter(|it| it.len() == table.partition_len) else {
        return;
    };
    let clustering: Option<Vec<Vec<u8>>> =
        clustering.iter().take(table.clustering_len).cloned().collect();
    let Ok(key) = key::partition(table, &components) else {
        return;
    };
    if clustering.is_none() && table.view.is_some() {
        return;
    }
    let cell = |value: &[u8]| Cell { value: Some(value.to_vec()), timestamp: 0, expiry: None };
    let partition = rows.partitions.entry(key).or_insert_with(|| Partition::new(components));
    let others = table.columns.iter().zip(cells).skip(key_len);
    for (column, value) in others.clone().filter(|(column, _)| column.kind == ColumnKind::Static) {
        if let Some(value) = value {
            partition.statics.put(column, cell(value));
        }
    }
    let Some(clustering) = clustering else {
        return;
    };
    let sort = key::clustering(table, &clustering);
    let Some(row) = partition.row_mut(&sort, &clustering, 0) else {
        return;
    };
    row.mark(cell(&[]));
    for (column, value) in others.filter(|(column, _)| column.kind == ColumnKind::Regular) {
        if let Some(value) = value {
            row.cells.put(column, cell(value));
        }
    }
}
