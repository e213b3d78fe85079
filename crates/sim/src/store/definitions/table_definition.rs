//! CREATE, ALTER and DROP TABLE.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cql::ast::Alter;
use crate::cql::ast::CreateTable;
use crate::cql::ast::Name;
use crate::cql::ast::RawType;
use crate::cql::error::CqlError;
use crate::cql::type_name;
use crate::cql::values::constant;
use crate::like::Like;
use crate::store::definitions::options;
use crate::store::definitions::paxos_table;
use crate::store::definitions::schema;
use crate::store::definitions::schema::Column;
use crate::store::definitions::schema::ColumnKind;
use crate::store::definitions::schema::Property;
use crate::store::definitions::schema::Schema;
use crate::store::definitions::schema::Table;
use crate::store::definitions::setting;
use crate::store::definitions::setting::Changes;
use crate::store::definitions::setting::Setting;
use crate::store::execution::outcome::Change;
use crate::store::execution::outcome::Target;
use cql::values::column_type::ColumnType;

/// CREATE TABLE.
pub(crate) fn create(schema: &mut Schema, create: &CreateTable, setting: Setting<'_>) -> Changes {
    let named = create.table.keyspace.as_deref().or(setting.used);
    if let Some(unknown) = named.filter(|name| !schema.keyspaces.contains_key(*name)) {
        return Err(CqlError::invalid(format!("Can't find a keyspace {unknown}")));
    }
    let keyspace = setting::keyspace_mut(schema, &create.table, setting)?;
    let (keyspace_name, name) = (keyspace.name.clone(), create.table.name.clone());
    if keyspace.tables.contains_key(&name) {
        if create.if_not_exists {
            return Ok(Vec::new());
        }
        return Err(CqlError::AlreadyExists {
            message: format!(
                "Cannot add already existing table \"{name}\" to keyspace \"{keyspace_name}\""
            ),
            keyspace: keyspace_name,
            table: name,
        });
    }
    let tablets = keyspace.tablets.is_some();
    let mut table = Table {
        id: setting.id,
        keyspace: keyspace_name.clone(),
        name: name.clone(),
        columns: columns(schema, create, &keyspace_name)?,
        next_column_id: u32::try_from(create.columns.len()).unwrap_or(u32::MAX),
        partition_len: create.partition_key.len(),
        clustering_len: create.clustering.len(),
        version: schema.generation + 1,
        options: options::table_defaults(),
        indexes: BTreeMap::new(),
        view: None,
        dropped: BTreeMap::new(),
    };
    options::set_table(&mut table.options, &create.properties)?;
    if let Some(Property::Text(id)) = table.options.remove("id") {
        let bytes = constant::scalar(&id, &ColumnType::Uuid).and_then(|id| id.try_into().ok());
        table.id = bytes.ok_or_else(|| CqlError::Configuration("Invalid table id".to_owned()))?;
    }
    table.sort_columns();
    check_counters(&table, tablets && setting.like == Like::V6_2)?;
    if let Some(keyspace) = schema.keyspaces.get_mut(&keyspace_name) {
        keyspace.tables.insert(name.clone(), Arc::new(table));
    }
    Ok(vec![setting::change(Change::Created, Target::Table, &keyspace_name, &name)])
}

fn check_counters(table: &Table, refused: bool) -> Result<(), CqlError> {
    if !table.is_counter() {
        return Ok(());
    }
    if refused {
        return Err(CqlError::invalid(format!(
            "Cannot use the 'counter' type for table {}.{}: Counters are not yet supported with \
             tablets",
            table.keyspace, table.name
        )));
    }
    let mut others = table.columns.iter().filter(|column| !column.is_key());
    if let Some(other) = others.find(|column| column.column_type != ColumnType::Counter) {
        return Err(CqlError::Configuration(format!(
            "Cannot add a non counter column ({}) in a counter column family",
            other.name
        )));
    }
    Ok(())
}

/// The columns, key first.
fn columns(
    schema: &Schema,
    create: &CreateTable,
    keyspace_name: &str,
) -> Result<Vec<Column>, CqlError> {
    if create.partition_key.is_empty() {
        return Err(CqlError::invalid("No PRIMARY KEY specified (exactly one required)"));
    }
    let mut columns = Vec::new();
    for (at, (name, raw, is_static)) in create.columns.iter().enumerate() {
        if create.columns.iter().take(at).any(|(earlier, ..)| earlier == name) {
            return Err(CqlError::invalid(format!("Multiple definition of identifier {name}")));
        }
        let kind = if *is_static { ColumnKind::Static } else { ColumnKind::Regular };
        let id = u32::try_from(at).unwrap_or(u32::MAX);
        columns.push(column(schema, keyspace_name, name, raw, kind, id)?);
    }
    let mut ordered = Vec::new();
    let keys = create.partition_key.iter().map(|name| (name, ColumnKind::PartitionKey));
    let keys = keys.chain(create.clustering.iter().map(|name| (name, ColumnKind::Clustering)));
    for (name, kind) in keys {
        let Some(at) = columns.iter().position(|column: &Column| column.name == *name) else {
            return Err(CqlError::invalid(format!(
                "Unknown definition {name} referenced in PRIMARY KEY"
            )));
        };
        let mut column = columns.remove(at);
        check_key_column(&column)?;
        column.kind = kind;
        ordered.push(column);
    }
    let order: Vec<&String> = create.order.iter().map(|(name, _)| name).collect();
    let prefix: Vec<&String> = create.clustering.iter().take(order.len()).collect();
    if let Some(stray) = order.iter().find(|name| !create.clustering.contains(**name)) {
        return Err(CqlError::invalid(format!(
            "Missing CLUSTERING ORDER for column {}",
            create.clustering.first().unwrap_or(stray)
        )));
    }
    if order != prefix {
        return Err(CqlError::invalid(
            "The order of columns in the CLUSTERING ORDER directive must be the one of the \
             clustering key",
        ));
    }
    for (name, descending) in &create.order {
        let found = ordered.iter_mut().find(|column| column.name == *name);
        if let Some(column) = found {
            column.descending = *descending;
        }
    }
    ordered.extend(columns);
    Ok(ordered)
}

fn check_key_column(column: &Column) -> Result<(), CqlError> {
    let name = &column.name;
    if column.is_multi_cell() {
        let shown = type_name::cql_name(&column.column_type, false);
        return Err(CqlError::invalid(format!(
            "Invalid non-frozen collection type {shown} for PRIMARY KEY component {name}"
        )));
    }
    if column.column_type == ColumnType::Counter {
        return Err(CqlError::invalid(format!(
            "counter type is not supported for PRIMARY KEY part {name}"
        )));
    }
    if column.column_type == ColumnType::Duration {
        return Err(CqlError::invalid(format!(
            "duration type is not supported for PRIMARY KEY part {name}"
        )));
    }
    if column.kind == ColumnKind::Static {
        return Err(CqlError::invalid(format!(
            "Static column {name} cannot be part of the PRIMARY KEY"
        )));
    }
    Ok(())
}

fn column(
    schema: &Schema,
    keyspace_name: &str,
    name: &str,
    raw: &RawType,
    kind: ColumnKind,
    id: u32,
) -> Result<Column, CqlError> {
    let (column_type, frozen) = schema.resolve(raw, keyspace_name)?;
    Ok(Column { id, name: name.to_owned(), kind, column_type, frozen, descending: false })
}

/// ALTER TABLE and ALTER MATERIALIZED VIEW.
pub(crate) fn alter(
    schema: &mut Schema,
    name: &Name,
    view: bool,
    alter: &Alter,
    setting: Setting<'_>,
) -> Changes {
    let keyspace_name = schema.keyspace_of(name, setting.used)?.to_owned();
    setting::guard(&keyspace_name, setting)?;
    let table = schema.find(name, setting.used)?;
    if table.view.is_some() != view {
        return Err(CqlError::invalid(match view {
            true => "Cannot use ALTER MATERIALIZED VIEW on Table",
            false => "Cannot use ALTER TABLE on Materialized View",
        }));
    }
    let mut altered = Table::clone(table);
    match alter {
        Alter::Add(columns) => {
            for (name, raw, is_static) in columns {
                add(schema, &mut altered, name, raw, *is_static)?;
            }
        }
        Alter::Drop(names) => {
            for name in names {
                remove(&mut altered, name, setting.now_micros)?;
            }
        }
        Alter::Rename(renames) => {
            for (from, to) in renames {
                rename(&mut altered, from, to)?;
            }
        }
        Alter::Retype(name, raw) => retype(schema, &mut altered, name, raw)?,
        Alter::With(properties) => options::set_table(&mut altered.options, properties)?,
    }
    altered.sort_columns();
    altered.version += 1;
    if let Some(keyspace) = schema.keyspaces.get_mut(&keyspace_name) {
        let views = keyspace.tables.values_mut();
        views.for_each(|view| follow(view, &altered, alter));
        keyspace.tables.insert(name.name.clone(), Arc::new(altered));
    }
    Ok(vec![setting::change(Change::Updated, Target::Table, &keyspace_name, &name.name)])
}

/// A view of all columns gets those that its base gets.
fn follow(view: &mut Arc<Table>, base: &Table, alter: &Alter) {
    let Alter::Add(added) = alter else {
        return;
    };
    let follows = |view: &schema::View| view.base_id == base.id && view.all_columns;
    if !view.view.as_ref().is_some_and(follows) {
        return;
    }
    let mut altered = Table::clone(view);
    let is_new = |column: &&Column| added.iter().any(|(name, ..)| *name == column.name);
    let columns = base.columns.iter().filter(is_new);
    altered.columns.extend(columns.filter(|column| column.kind == ColumnKind::Regular).cloned());
    altered.sort_columns();
    altered.version += 1;
    *view = Arc::new(altered);
}

fn add(
    schema: &Schema,
    table: &mut Table,
    name: &str,
    raw: &RawType,
    is_static: bool,
) -> Result<(), CqlError> {
    if table.position(name).is_some() {
        return Err(CqlError::invalid(format!(
            "Invalid column name {name} because it conflicts with an existing column"
        )));
    }
    let kind = if is_static { ColumnKind::Static } else { ColumnKind::Regular };
    if is_static && table.clustering_len == 0 {
        return Err(CqlError::invalid(
            "Static columns are only useful (and thus allowed) if the table has at least one \
             clustering column",
        ));
    }
    // Ids of dropped columns are not used again: their cells stay hidden.
    let id = table.next_column_id;
    table.next_column_id += 1;
    let column = column(schema, &table.keyspace, name, raw, kind, id)?;
    table.columns.push(column);
    Ok(())
}

/// Gives a column another type whose values have the same bytes.
fn retype(schema: &Schema, table: &mut Table, name: &str, raw: &RawType) -> Result<(), CqlError> {
    let (wanted, _) = schema.resolve(raw, &table.keyspace)?;
    let shown = table.name.clone();
    let Some(column) = table.columns.iter_mut().find(|column| column.name == *name) else {
        return Err(CqlError::invalid(format!("Column {name} was not found in table {shown}")));
    };
    let present = &column.column_type;
    let fits = *present == wanted
        || (wanted == ColumnType::Blob && !type_name::is_composite(present))
        || matches!(
            (present, &wanted),
            (ColumnType::Ascii, ColumnType::Varchar)
                | (ColumnType::Timeuuid, ColumnType::Uuid)
                | (ColumnType::Int | ColumnType::Bigint, ColumnType::Varint)
                | (ColumnType::Timestamp, ColumnType::Bigint)
                | (ColumnType::Bigint, ColumnType::Timestamp)
        );
    if !fits {
        return Err(CqlError::Configuration(format!(
            "Cannot change {name} from type {} to type {}: types are incompatible.",
            type_name::cql_name(present, column.frozen),
            type_name::cql_name(&wanted, false)
        )));
    }
    column.column_type = wanted;
    Ok(())
}

fn remove(table: &mut Table, name: &str, now_micros: i64) -> Result<(), CqlError> {
    let Some(at) = table.position(name) else {
        return Err(CqlError::invalid(format!(
            "Column {name} was not found in table {}",
            table.name
        )));
    };
    let is_key = table.columns.get(at).is_some_and(Column::is_key);
    if is_key {
        return Err(CqlError::invalid(format!("Cannot drop PRIMARY KEY part {name}")));
    }
    let column = table.columns.remove(at);
    let shown = type_name::cql_name(&column.column_type, column.frozen);
    table.dropped.insert(name.to_owned(), (shown, now_micros));
    Ok(())
}

fn rename(table: &mut Table, from: &str, to: &str) -> Result<(), CqlError> {
    if table.position(to).is_some() {
        return Err(CqlError::invalid(format!(
            "Cannot rename column {from} to {to} in table {}; another column of that name already \
             exist",
            table.name
        )));
    }
    let Some(column) = table.columns.iter_mut().find(|column| column.name == from) else {
        return Err(CqlError::invalid(format!(
            "Cannot rename unknown column {from} in table {}",
            table.name
        )));
    };
    if !column.is_key() {
        return Err(CqlError::invalid(format!("Cannot rename non PRIMARY KEY part {from}")));
    }
    to.clone_into(&mut column.name);
    Ok(())
}

/// DROP TABLE.
pub(crate) fn drop(schema: &mut Schema, name: &Name, setting: Setting<'_>) -> Changes {
    let keyspace = setting::keyspace_mut(schema, name, setting)?;
    let keyspace_name = keyspace.name.clone();
    let Some(table) = keyspace.tables.get(&name.name) else {
        return Err(CqlError::invalid(format!(
            "Cannot drop non existing table '{}' in keyspace '{keyspace_name}'.",
            name.name
        )));
    };
    if table.view.is_some() {
        return Err(CqlError::invalid("Cannot use DROP TABLE on Materialized View"));
    }
    let indexes: Vec<String> = table.indexes.keys().map(|index| format!("{index}_index")).collect();
    let of_base = |view: &&Arc<Table>| view.view.as_ref().is_some_and(|v| v.base == name.name);
    let views: Vec<String> =
        keyspace.tables.values().filter(of_base).map(|view| view.name.clone()).collect();
    if views.iter().any(|view| !indexes.contains(view)) {
        let shown: Vec<String> =
            views.iter().map(|view| format!("{keyspace_name}.{view}")).collect();
        return Err(CqlError::invalid(format!(
            "Cannot drop table when materialized views still depend on it ({keyspace_name}.{{{}}})",
            shown.join(", ")
        )));
    }
    keyspace.tables.remove(&name.name);
    let mut changes =
        vec![setting::change(Change::Dropped, Target::Table, &keyspace_name, &name.name)];
    for index in indexes {
        if keyspace.tables.remove(&index).is_some() {
            changes.push(setting::change(Change::Dropped, Target::Table, &keyspace_name, &index));
        }
    }
    let paxos = paxos_table::name_of(&name.name);
    if keyspace.tables.remove(&paxos).is_some() {
        changes.push(setting::change(Change::Dropped, Target::Table, &keyspace_name, &paxos));
    }
    Ok(changes)
}
