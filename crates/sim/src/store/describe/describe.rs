//! Runs DESCRIBE: finds the elements and makes the rows of the answer.

use std::sync::Arc;

use crate::cql::ast::Describe;
use crate::cql::ast::DescribedKind;
use crate::cql::ast::Element;
use crate::cql::ast::Name;
use crate::cql::error::CqlError;
use crate::like::Like;
use crate::store::definitions::column_spec::ColumnSpec;
use crate::store::definitions::definition;
use crate::store::definitions::paxos_table;
use crate::store::definitions::schema;
use crate::store::definitions::schema::Keyspace;
use crate::store::definitions::schema::Schema;
use crate::store::definitions::schema::Table;
use crate::store::describe::create_statement;
use crate::store::execution::outcome::Rows;
use cql::response::supported::MURMUR3;
use cql::values::column_type::ColumnType;

/// What a DESCRIBE needs to know beside its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) like: Like,
    /// The keyspace in `USE`.
    pub(crate) used: Option<&'a str>,
    /// The name of the cluster.
    pub(crate) cluster: &'a str,
}

type Row = Vec<Option<Vec<u8>>>;
type Answer<T> = Result<T, CqlError>;

/// Result metadata: all columns are texts of a table that does not exist, `system.describe`.
pub(crate) fn columns(describe: &Describe) -> Vec<ColumnSpec> {
    let names: &[&str] = match &describe.element {
        Element::Cluster => &["cluster", "partitioner", "snitch"],
        Element::Keyspaces | Element::List(_) => &["keyspace_name", "type", "name"],
        Element::Schema { .. } | Element::Keyspace { .. } | Element::One(..) | Element::Any(_) => {
            &["keyspace_name", "type", "name", "create_statement"]
        }
    };
    let spec = |name: &&str| ColumnSpec {
        keyspace: "system".to_owned(),
        table: "describe".to_owned(),
        name: (*name).to_owned(),
        column_type: ColumnType::Varchar,
    };
    names.iter().map(spec).collect()
}

/// Runs a DESCRIBE; all rows come in one page.
pub(crate) fn run(schema: &Schema, describe: &Describe, setting: Setting<'_>) -> Answer<Rows> {
    let internals = describe.internals;
    let mut rows = Vec::new();
    match &describe.element {
        Element::Cluster => {
            let snitch = match setting.like {
                Like::V6_2 => "SimpleSnitch",
                Like::V2026_3 => "org.apache.cassandra.locator.SimpleSnitch",
            };
            rows.push(row(&[setting.cluster, MURMUR3, snitch]));
        }
        Element::Schema { full } => {
            let keyspaces = schema.keyspaces.values();
            for keyspace in keyspaces.filter(|it| *full || !schema::is_system(&it.name)) {
                push_keyspace(&mut rows, keyspace, internals);
            }
        }
        Element::Keyspaces => {
            let names = schema.keyspaces.keys();
            rows.extend(names.map(|name| row(&[name, "keyspace", name])));
        }
        Element::Keyspace { name, only } => {
            let name = name.as_deref().or(setting.used).ok_or_else(no_keyspace)?;
            let found = schema.keyspaces.get(name);
            let unknown = || CqlError::invalid(format!("'{name}' not found in keyspaces"));
            let keyspace = found.ok_or_else(unknown)?;
            push_keyspace(&mut rows, keyspace, internals);
            rows.truncate(if *only { 1 } else { rows.len() });
        }
        Element::List(kind) => {
            let keyspaces = schema.keyspaces.values();
            for keyspace in keyspaces.filter(|it| setting.used.is_none_or(|used| used == it.name)) {
                let names = listed(keyspace, *kind);
                rows.extend(names.map(|name| row(&[&keyspace.name, kind.word(), name])));
            }
        }
        Element::One(kind, name) => {
            let keyspace = keyspace_of(schema, name, setting)?;
            if !push_element(&mut rows, keyspace, *kind, &name.name, internals)? {
                return Err(not_found(*kind, &keyspace.name, &name.name));
            }
        }
        Element::Any(name) => {
            let named = schema.keyspaces.get(&name.name).filter(|_| name.keyspace.is_none());
            if let Some(keyspace) = named {
                push_keyspace(&mut rows, keyspace, internals);
            } else {
                let keyspace = keyspace_of(schema, name, setting)?;
                push_any(&mut rows, keyspace, &name.name, internals)?;
            }
        }
    }
    Ok(Rows { columns: columns(describe), rows, paging_state: None })
}

fn no_keyspace() -> CqlError {
    CqlError::invalid("No keyspace specified and no current keyspace")
}

fn keyspace_of<'s>(schema: &'s Schema, name: &Name, setting: Setting<'_>) -> Answer<&'s Keyspace> {
    let keyspace = name.keyspace.as_deref().or(setting.used).ok_or_else(no_keyspace)?;
    let unknown = || CqlError::invalid(format!("'{keyspace}' not found in keyspaces"));
    schema.keyspaces.get(keyspace).ok_or_else(unknown)
}

fn not_found(kind: DescribedKind, keyspace: &str, name: &str) -> CqlError {
    let noun = match kind {
        DescribedKind::Table | DescribedKind::View | DescribedKind::Index => "",
        DescribedKind::Type => "Type ",
        DescribedKind::Function => "Function ",
        DescribedKind::Aggregate => "Aggregate ",
    };
    CqlError::invalid(format!("{noun}'{name}' not found in keyspace '{keyspace}'"))
}

/// Names of one kind. The simulated server has no functions and no aggregates.
fn listed(keyspace: &Keyspace, kind: DescribedKind) -> Box<dyn Iterator<Item = &String> + '_> {
    match kind {
        DescribedKind::Table => Box::new(tables(keyspace).map(|table| &table.name)),
        DescribedKind::Type => Box::new(keyspace.types.keys()),
        DescribedKind::View
        | DescribedKind::Index
        | DescribedKind::Function
        | DescribedKind::Aggregate => Box::new(std::iter::empty()),
    }
}

/// Tables of users, without views and without tables for light-weight transactions.
fn tables(keyspace: &Keyspace) -> impl Iterator<Item = &Arc<Table>> {
    let tables = keyspace.tables.values();
    tables.filter(|table| table.view.is_none() && !paxos_table::is_paxos(&table.name))
}

fn push_keyspace(rows: &mut Vec<Row>, keyspace: &Keyspace, internals: bool) {
    let name = &keyspace.name;
    rows.push(row(&[name, "keyspace", name, &create_statement::keyspace(keyspace)]));
    for user_type in types_in_order(keyspace) {
        push_type(rows, keyspace, user_type);
    }
    for table in tables(keyspace) {
        push_table(rows, keyspace, table, internals);
    }
}

/// Types, each after those that its fields have.
fn types_in_order(keyspace: &Keyspace) -> Vec<&String> {
    let mut left: Vec<&String> = keyspace.types.keys().collect();
    let mut ordered = Vec::new();
    let uses = |name: &String, other: &String| {
        let fields = keyspace.types.get(name).map(Vec::as_slice).unwrap_or_default();
        fields.iter().any(|(_, field)| definition::mentions(field, other))
    };
    while !left.is_empty() {
        let free = |name: &&String| !left.iter().any(|other| other != name && uses(name, other));
        let at = left.iter().position(free).unwrap_or(0);
        ordered.push(left.remove(at));
    }
    ordered
}

fn push_type(rows: &mut Vec<Row>, keyspace: &Keyspace, name: &str) -> bool {
    let Some(fields) = keyspace.types.get(name) else { return false };
    let text = create_statement::user_type(&keyspace.name, name, fields);
    rows.push(row(&[&keyspace.name, "type", name, &text]));
    true
}

/// A table with its indexes and views.
fn push_table(rows: &mut Vec<Row>, keyspace: &Keyspace, table: &Table, internals: bool) {
    let text = create_statement::table(table, internals);
    rows.push(row(&[&keyspace.name, "table", &table.name, &text]));
    for name in table.indexes.keys() {
        push_index(rows, keyspace, name);
    }
    let is_index = |view: &Table| {
        table.indexes.keys().any(|index| view.name.strip_suffix("_index") == Some(index))
    };
    for view in keyspace.tables.values().filter(|view| !is_index(view)) {
        if view.view.as_ref().is_some_and(|definition| definition.base == table.name) {
            push_view(rows, keyspace, &view.name, internals);
        }
    }
}

fn push_index(rows: &mut Vec<Row>, keyspace: &Keyspace, name: &str) -> bool {
    let mut tables = keyspace.tables.values();
    let found = tables.find_map(|table| Some((table, table.indexes.get(name)?)));
    let Some((table, column)) = found else { return false };
    let text = create_statement::index(table, name, column);
    rows.push(row(&[&keyspace.name, "index", name, &text]));
    true
}

fn push_view(rows: &mut Vec<Row>, keyspace: &Keyspace, name: &str, internals: bool) -> bool {
    let table = keyspace.tables.get(name);
    let found = table.and_then(|table| Some((table, table.view.as_ref()?)));
    let Some((table, view)) = found else { return false };
    let text = create_statement::view(table, view, internals);
    rows.push(row(&[&keyspace.name, "view", name, &text]));
    true
}

/// Pushes one element; returns whether it exists.
fn push_element(
    rows: &mut Vec<Row>,
    keyspace: &Keyspace,
    kind: DescribedKind,
    name: &str,
    internals: bool,
) -> Answer<bool> {
    Ok(match kind {
        DescribedKind::Table => match keyspace.tables.get(name) {
            Some(table) if table.view.is_some() => {
                return Err(CqlError::invalid("Cannot use DESC TABLE on materialized View"));
            }
            Some(table) => {
                push_table(rows, keyspace, table, internals);
                true
            }
            None => false,
        },
        DescribedKind::View => push_view(rows, keyspace, name, internals),
        DescribedKind::Index => push_index(rows, keyspace, name),
        DescribedKind::Type => push_type(rows, keyspace, name),
        DescribedKind::Function | DescribedKind::Aggregate => false,
    })
}

/// Pushes the element with this name: a table, else a view, an index, a type.
fn push_any(rows: &mut Vec<Row>, keyspace: &Keyspace, name: &str, internals: bool) -> Answer<()> {
    let is_table = keyspace.tables.get(name).is_some_and(|table| table.view.is_none());
    let found = (is_table && push_element(rows, keyspace, DescribedKind::Table, name, internals)?)
        || push_view(rows, keyspace, name, internals)
        || push_index(rows, keyspace, name)
        || push_type(rows, keyspace, name);
    let missing = || not_found(DescribedKind::Table, &keyspace.name, name);
    if found { Ok(()) } else { Err(missing()) }
}

fn row(texts: &[&str]) -> Row {
    texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect()
}
