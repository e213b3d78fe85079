//! CREATE, ALTER and DROP of keyspaces and types; the way to those of tables.

use std::sync::Arc;

use crate::cql::ast::Alter;
use crate::cql::ast::Ddl;
use crate::cql::ast::Name;
use crate::cql::ast::Object;
use crate::cql::ast::Properties;
use crate::cql::ast::RawType;
use crate::cql::error::CqlError;
use crate::like::Like;
use crate::store::definitions::options;
use crate::store::definitions::schema::Keyspace;
use crate::store::definitions::schema::Schema;
use crate::store::definitions::schema::Table;
use crate::store::definitions::setting::{Changes, Setting, change, guard, keyspace_mut};
use crate::store::definitions::table_definition;
use crate::store::definitions::view_definition;
use crate::store::execution::outcome::Change;
use crate::store::execution::outcome::Target;
use cql::values::column_type::ColumnType;

/// Runs a schema statement.
pub(crate) fn run(schema: &mut Schema, ddl: &Ddl, setting: Setting<'_>) -> Changes {
    let changes = match ddl {
        Ddl::CreateKeyspace { name, if_not_exists, properties } => {
            create_keyspace(schema, name, *if_not_exists, properties, setting)?
        }
        Ddl::AlterKeyspace { name, properties } => {
            guard(name, setting)?;
            let Some(keyspace) = schema.keyspaces.get_mut(name) else {
                return Err(CqlError::invalid(format!("Unknown keyspace {name}")));
            };
            let mut altered = keyspace.clone();
            options::set_keyspace(&mut altered, properties, setting.datacenters)?;
            check_racks(&altered, setting)?;
            *keyspace = altered;
            vec![change(Change::Updated, Target::Keyspace, name, "")]
        }
        Ddl::CreateTable(create) => table_definition::create(schema, create, setting)?,
        Ddl::AlterTable { table, view, alter } => {
            table_definition::alter(schema, table, *view, alter, setting)?
        }
        Ddl::CreateType { name, if_not_exists, fields } => {
            create_type(schema, name, *if_not_exists, fields, setting)?
        }
        Ddl::AlterType { name, alter } => alter_type(schema, name, alter, setting)?,
        Ddl::CreateIndex { .. } => view_definition::create_index(schema, ddl, setting)?,
        Ddl::CreateView(create) => view_definition::create(schema, create, setting)?,
        Ddl::Drop { object, name, if_exists } => {
            let dropped = drop(schema, object, name, setting);
            match dropped {
                Err(CqlError::Invalid(_) | CqlError::Configuration(_))
                    if *if_exists && !exists(schema, object, name, setting) =>
                {
                    Vec::new()
                }
                dropped => dropped?,
            }
        }
    };
    schema.generation += u64::from(!changes.is_empty());
    Ok(changes)
}

/// A keyspace with tablets and a view must have one replica, or one in each rack.
fn check_racks(keyspace: &Keyspace, setting: Setting<'_>) -> Result<(), CqlError> {
    let has_view = keyspace.tables.values().any(|table| table.view.is_some());
    if setting.like < Like::V2026_3 || keyspace.tablets.is_none() || !has_view {
        return Ok(());
    }
    for (datacenter, racks) in setting.racks {
        let factor = keyspace.replication.get(datacenter);
        let factor = factor.and_then(|factor| factor.parse::<usize>().ok()).unwrap_or(0);
        if factor > 1 && factor != racks.len() {
            return Err(CqlError::invalid(format!(
                "The keyspace '{}' is required to be RF-rack-valid. That condition is violated for \
                 DC '{datacenter}': RF={factor} vs. rack count={}.",
                keyspace.name,
                racks.len()
            )));
        }
    }
    Ok(())
}

fn create_keyspace(
    schema: &mut Schema,
    name: &str,
    if_not_exists: bool,
    properties: &Properties,
    setting: Setting<'_>,
) -> Changes {
    guard(name, setting)?;
    if name.len() > 48 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(CqlError::invalid(format!("\"{name}\" is not a valid keyspace name")));
    }
    if schema.keyspaces.contains_key(name) {
        if if_not_exists {
            return Ok(Vec::new());
        }
        return Err(CqlError::AlreadyExists {
            message: format!("Cannot add existing keyspace \"{name}\""),
            keyspace: name.to_owned(),
            table: String::new(),
        });
    }
    let mut keyspace =
        Keyspace { name: name.to_owned(), durable_writes: true, ..Keyspace::default() };
    options::set_keyspace(&mut keyspace, properties, setting.datacenters)?;
    schema.keyspaces.insert(name.to_owned(), keyspace);
    Ok(vec![change(Change::Created, Target::Keyspace, name, "")])
}

fn create_type(
    schema: &mut Schema,
    name: &Name,
    if_not_exists: bool,
    fields: &[(String, RawType)],
    setting: Setting<'_>,
) -> Changes {
    let keyspace_name = keyspace_mut(schema, name, setting)?.name.clone();
    let resolved = fields.iter().map(|(field, raw)| {
        let (field_type, _) = schema.resolve(raw, &keyspace_name)?;
        Ok((field.clone(), field_type))
    });
    let resolved = resolved.collect::<Result<Vec<_>, CqlError>>()?;
    let keyspace = keyspace_mut(schema, name, setting)?;
    if keyspace.types.contains_key(&name.name) {
        if if_not_exists {
            return Ok(Vec::new());
        }
        return Err(CqlError::invalid(format!(
            "A user type of name {keyspace_name}.{} already exists",
            name.name
        )));
    }
    keyspace.types.insert(name.name.clone(), resolved);
    Ok(vec![change(Change::Created, Target::Type, &keyspace_name, &name.name)])
}

fn alter_type(schema: &mut Schema, name: &Name, alter: &Alter, setting: Setting<'_>) -> Changes {
    let keyspace_name = keyspace_mut(schema, name, setting)?.name.clone();
    let added = match alter {
        Alter::Add(columns) => columns
            .iter()
            .map(|(field, raw, _)| Ok((field.clone(), schema.resolve(raw, &keyspace_name)?.0)))
            .collect::<Result<Vec<_>, CqlError>>()?,
        Alter::Rename(_) | Alter::Drop(_) | Alter::Retype(..) | Alter::With(_) => Vec::new(),
    };
    let keyspace = keyspace_mut(schema, name, setting)?;
    let Some(fields) = keyspace.types.get_mut(&name.name) else {
        return Err(CqlError::invalid(format!("No user type named {} exists.", name.name)));
    };
    for (field, field_type) in added {
        if fields.iter().any(|(present, _)| *present == field) {
            return Err(CqlError::invalid(format!(
                "Cannot add new field {field} to type {keyspace_name}.{}: a field of the same name \
                 already exists",
                name.name
            )));
        }
        fields.push((field, field_type));
    }
    if let Alter::Rename(renames) = alter {
        for (from, to) in renames {
            let Some((field, _)) = fields.iter_mut().find(|(present, _)| present == from) else {
                return Err(CqlError::invalid(format!(
                    "Unknown field {from} in type {keyspace_name}.{}",
                    name.name
                )));
            };
            field.clone_from(to);
        }
    }
    let fields = fields.clone();
    for held in keyspace.types.values_mut() {
        held.iter_mut().for_each(|(_, field)| _ = replace(field, &name.name, &fields));
    }
    for table in keyspace.tables.values_mut() {
        let mut altered = Table::clone(table);
        let mut any = false;
        for column in &mut altered.columns {
            any |= replace(&mut column.column_type, &name.name, &fields);
        }
        if any {
            altered.version += 1;
            *table = Arc::new(altered);
        }
    }
    Ok(vec![change(Change::Updated, Target::Type, &keyspace_name, &name.name)])
}

/// Replaces the fields of a type wherever it is nested; returns whether it was found.
fn replace(within: &mut ColumnType, name: &str, with: &[(String, ColumnType)]) -> bool {
    match within {
        ColumnType::Udt { name: own, fields, .. } => {
            if own == name {
                *fields = with.to_vec();
                return true;
            }
            fields.iter_mut().fold(false, |any, (_, field)| replace(field, name, with) | any)
        }
        ColumnType::List(inner) | ColumnType::Set(inner) => replace(inner, name, with),
        ColumnType::Map(key, value) => replace(key, name, with) | replace(value, name, with),
        ColumnType::Tuple(parts) => {
            parts.iter_mut().fold(false, |any, part| replace(part, name, with) | any)
        }
        ColumnType::Custom(_)
        | ColumnType::Ascii
        | ColumnType::Bigint
        | ColumnType::Blob
        | ColumnType::Boolean
        | ColumnType::Counter
        | ColumnType::Decimal
        | ColumnType::Double
        | ColumnType::Float
        | ColumnType::Int
        | ColumnType::Timestamp
        | ColumnType::Uuid
        | ColumnType::Varchar
        | ColumnType::Varint
        | ColumnType::Timeuuid
        | ColumnType::Inet
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Smallint
        | ColumnType::Tinyint
        | ColumnType::Duration => false,
    }
}

/// Whether a type is the user-defined type `name`, or has it nested.
pub(crate) fn mentions(within: &ColumnType, name: &str) -> bool {
    replace(&mut within.clone(), name, &[])
}

fn exists(schema: &Schema, object: &Object, name: &Name, setting: Setting<'_>) -> bool {
    let keyspace_name = name.keyspace.as_deref().or(setting.used).unwrap_or_default();
    match object {
        Object::Keyspace => schema.keyspaces.contains_key(&name.name),
        Object::Table | Object::View => schema.table(keyspace_name, &name.name).is_some(),
        Object::Type => {
            schema.keyspaces.get(keyspace_name).is_some_and(|k| k.types.contains_key(&name.name))
        }
        Object::Index => schema.keyspaces.get(keyspace_name).is_some_and(|keyspace| {
            keyspace.tables.values().any(|table| table.indexes.contains_key(&name.name))
        }),
    }
}

fn drop(schema: &mut Schema, object: &Object, name: &Name, setting: Setting<'_>) -> Changes {
    match object {
        Object::Keyspace => {
            guard(&name.name, setting)?;
            if schema.keyspaces.remove(&name.name).is_none() {
                return Err(CqlError::Configuration(format!(
                    "Cannot drop non existing keyspace '{}'.",
                    name.name
                )));
            }
            Ok(vec![change(Change::Dropped, Target::Keyspace, &name.name, "")])
        }
        Object::Table => table_definition::drop(schema, name, setting),
        Object::View => view_definition::drop(schema, name, setting),
        Object::Index => view_definition::drop_index(schema, name, setting),
        Object::Type => {
            let keyspace = keyspace_mut(schema, name, setting)?;
            let keyspace_name = keyspace.name.clone();
            let uses = |table: &Arc<Table>| {
                table.columns.iter().any(|column| mentions(&column.column_type, &name.name))
            };
            if let Some(table) = keyspace.tables.values().find(|table| uses(table)) {
                return Err(CqlError::invalid(format!(
                    "Cannot drop user type {keyspace_name}.{} as it is still used by table {keyspace_name}.{}",
                    name.name, table.name
                )));
            }
            if keyspace.types.remove(&name.name).is_none() {
                return Err(CqlError::invalid(format!("No user type named {} exists.", name.name)));
            }
            Ok(vec![change(Change::Dropped, Target::Type, &keyspace_name, &name.name)])
        }
    }
}
