//! What every schema statement needs: where it runs, the keyspace that it may change, and its changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::cql::ast::Name;
use crate::cql::error::CqlError;
use crate::like::Like;
use crate::store::definitions::schema;
use crate::store::definitions::schema::{Keyspace, Schema};
use crate::store::execution::outcome::{Change, SchemaChange, Target};

/// What a schema statement needs to know beside its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) like: Like,
    /// The keyspace in `USE`.
    pub(crate) used: Option<&'a str>,
    /// The id of a table that is created.
    pub(crate) id: [u8; 16],
    pub(crate) now_micros: i64,
    pub(crate) datacenters: &'a [String],
    /// Racks of each data center; empty when they are unknown, and not checked then.
    pub(crate) racks: &'a Racks,
    /// Whether the server itself defines its tables.
    pub(crate) internal: bool,
}

/// The names of the racks of each data center.
pub(crate) type Racks = BTreeMap<String, BTreeSet<String>>;

/// The changes of a statement; empty if it changed nothing.
pub(crate) type Changes = Result<Vec<SchemaChange>, CqlError>;

/// One change of `name` in `keyspace`.
pub(crate) fn change(change: Change, target: Target, keyspace: &str, name: &str) -> SchemaChange {
    SchemaChange { change, target, keyspace: keyspace.to_owned(), name: name.to_owned() }
}

/// Refuses changes of the server's own keyspaces.
pub(crate) fn guard(keyspace: &str, setting: Setting<'_>) -> Result<(), CqlError> {
    if schema::is_system(keyspace) && !setting.internal {
        return Err(CqlError::Unauthorized(format!("{keyspace} keyspace is not user-modifiable.")));
    }
    Ok(())
}

/// The keyspace in which an object is to be created or changed.
pub(crate) fn keyspace_mut<'s>(
    schema: &'s mut Schema,
    name: &Name,
    setting: Setting<'_>,
) -> Result<&'s mut Keyspace, CqlError> {
    let keyspace = schema.keyspace_of(name, setting.used)?.to_owned();
    guard(&keyspace, setting)?;
    let missing = || CqlError::invalid(format!("Keyspace {keyspace} does not exist"));
    schema.keyspaces.get_mut(&keyspace).ok_or_else(missing)
}
