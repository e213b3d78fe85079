//! RESULT messages.

use crate::cluster::statements::Statement;
use crate::like::Like;
use crate::node::connection::Connection;
use crate::node::frames::event::write_schema_change;
use crate::node::frames::metadata::{one_table, write_columns};
use crate::store::execution::outcome::{Rows, SchemaChange};
use cql::notation::{put_bytes, put_int, put_short, put_short_bytes, put_string};
use cql::response::metadata::{GLOBAL_TABLES_SPEC, HAS_MORE_PAGES, METADATA_CHANGED, NO_METADATA};
use cql::response::result::ResultKind;

/// Bit 31, ScyllaDB's own: the statement is conditional.
const LWT_MARK: u32 = 1 << 31;

/// How the rows of an answer are described.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Description {
    /// The imitated server.
    pub like: Like,
    /// Whether the client knows the columns.
    pub skip: bool,
    /// The id of the metadata, when the client has another one.
    pub changed: Option<[u8; 16]>,
}

/// RESULT Void.
#[must_use]
pub(crate) fn void() -> Vec<u8> {
    begin(ResultKind::Void)
}

/// RESULT Set_keyspace.
#[must_use]
pub(crate) fn set_keyspace(keyspace: &str) -> Vec<u8> {
    let mut out = begin(ResultKind::SetKeyspace);
    put_string(&mut out, keyspace);
    out
}

/// RESULT Schema_change.
#[must_use]
pub(crate) fn schema_change(change: &SchemaChange) -> Vec<u8> {
    let mut out = begin(ResultKind::SchemaChange);
    write_schema_change(change, &mut out);
    out
}

/// RESULT Rows.
#[must_use]
pub(crate) fn rows(rows: &Rows, how: Description) -> Vec<u8> {
    let mut out = begin(ResultKind::Rows);
    let skip = how.skip && how.changed.is_none();
    let global = has_global(how.like) && one_table(&rows.columns);
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    let flags = flag(global, GLOBAL_TABLES_SPEC)
        | flag(rows.paging_state.is_some(), HAS_MORE_PAGES)
        | flag(skip, NO_METADATA)
        | flag(how.changed.is_some(), METADATA_CHANGED);
    put_int(&mut out, flags.cast_signed());
    put_int(&mut out, count(rows.columns.len()));
    if let Some(state) = &rows.paging_state {
        put_bytes(&mut out, Some(state));
    }
    if let Some(id) = &how.changed {
        put_short_bytes(&mut out, id);
    }
    if !skip {
        write_columns(&rows.columns, global, &mut out);
    }
    put_int(&mut out, count(rows.rows.len()));
    for cell in rows.rows.iter().flatten() {
        put_bytes(&mut out, cell.as_deref());
    }
    out
}

/// RESULT Prepared.
#[must_use]
pub(crate) fn prepared(statement: &Statement, connection: &Connection, like: Like) -> Vec<u8> {
    let it = &statement.prepared;
    let mut out = begin(ResultKind::Prepared);
    put_short_bytes(&mut out, &statement.id);
    if connection.extensions.metadata_id {
        put_short_bytes(&mut out, &statement.metadata_id);
    }
    let mark = if it.lwt && connection.extensions.lwt_mark { LWT_MARK } else { 0 };
    let global = one_table(&it.bind);
    let flags = mark | if global { GLOBAL_TABLES_SPEC } else { 0 };
    put_int(&mut out, flags.cast_signed());
    put_int(&mut out, count(it.bind.len()));
    if connection.version.is_none_or(|version| version >= 4) {
        put_int(&mut out, count(it.pk_indexes.len()));
        for index in &it.pk_indexes {
            put_short(&mut out, *index);
        }
    }
    write_columns(&it.bind, global, &mut out);
    if it.result.is_empty() {
        put_int(&mut out, NO_METADATA.cast_signed());
        put_int(&mut out, 0);
    } else {
        let global = has_global(like) && one_table(&it.result);
        let flags = if global { GLOBAL_TABLES_SPEC } else { 0 };
        put_int(&mut out, flags.cast_signed());
        put_int(&mut out, count(it.result.len()));
        write_columns(&it.result, global, &mut out);
    }
    out
}

/// Whether result metadata names the table once: 6.2 never does.
fn has_global(like: Like) -> bool {
    match like {
        Like::V6_2 => false,
        Like::V2026_3 => true,
    }
}

fn begin(kind: ResultKind) -> Vec<u8> {
    let mut out = Vec::new();
    put_int(&mut out, kind.code());
    out
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
