//! Records as bytes, in the notations of CQL.

use std::sync::Arc;

use cql::error::WireError;
use cql::notation::{Reader, put_bytes, put_int, put_long, put_long_string, put_short};
use cql::statement::write_type::WriteType;
use cql::values::column_type::ColumnType;

use crate::routing::statement::{Restored, Statement};
use crate::state::record::{Record, StateHeader, TableTablets};
use crate::topology::id::HostId;
use crate::topology::table_key::{KeyColumn, TableKey};
use crate::topology::tablet_page::ReadTablet;

const ABOUT: u8 = 1;
const STATEMENTS: u8 = 2;
const KEYS: u8 = 3;
const TABLETS: u8 = 4;

/// Bits of a statement.
const CHANGED: u8 = 1;
const MIXED: u8 = 2;
const WRITES: u8 = 4;
const LWT: u8 = 8;
const IS_READ: u8 = 16;

/// Appends a record, without the frame around it.
pub fn put(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Header(about) => {
            out.push(ABOUT);
            put_about(out, about);
        }
        Record::Statements(statements) => {
            out.push(STATEMENTS);
            put_list(out, statements, put_statement);
        }
        Record::Keys(keys) => {
            out.push(KEYS);
            put_list(out, keys, |out, key| put_key(out, key));
        }
        Record::Tablets(tablets) => {
            out.push(TABLETS);
            put_tablets(out, tablets);
        }
    }
}

/// Reads a record to its end.
pub fn read(bytes: &[u8]) -> Result<Record, WireError> {
    let mut reader = Reader::new(bytes);
    let record = match reader.byte()? {
        ABOUT => Record::Header(read_about(&mut reader)?),
        STATEMENTS => Record::Statements(read_list(&mut reader, read_statement)?),
        KEYS => Record::Keys(read_list(&mut reader, read_key)?),
        TABLETS => Record::Tablets(read_tablets(&mut reader)?),
        other => return Err(WireError::Opcode(other)),
    };
    match reader.rest() {
        [] => Ok(record),
        rest => Err(WireError::Truncated { expected: 0, left: rest.len() }),
    }
}

fn put_about(out: &mut Vec<u8>, about: &StateHeader) {
    put_long_string(out, &about.cluster);
    put_bytes(out, about.schema_version.as_ref().map(<[u8; 16]>::as_slice));
    put_list(out, &about.hosts, |out, host| out.extend_from_slice(&host.0));
    put_long_string(out, &about.data_center);
    put_long_string(out, &about.rack);
    out.push(u8::from(about.incomplete));
    put_long(out, about.collected_s.cast_signed());
}

fn read_about(reader: &mut Reader<'_>) -> Result<StateHeader, WireError> {
    Ok(StateHeader {
        cluster: reader.long_string()?.into(),
        schema_version: match reader.bytes()? {
            None => None,
            Some(bytes) => Some(bytes.try_into().map_err(|_| length(bytes))?),
        },
        hosts: read_list(reader, |reader| Ok(HostId(reader.uuid()?)))?,
        data_center: reader.long_string()?.into(),
        rack: reader.long_string()?.into(),
        incomplete: reader.byte()? != 0,
        collected_s: reader.long()?.cast_unsigned(),
    })
}

fn put_statement(out: &mut Vec<u8>, restored: &Restored) {
    let Restored { statement, changed, mixed, writes, used } = restored;
    let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    out.push(
        bit(*changed, CHANGED)
            | bit(*mixed, MIXED)
            | bit(*writes, WRITES)
            | bit(statement.lwt, LWT)
            | bit(statement.is_read, IS_READ),
    );
    put_long(out, used.cast_signed());
    put_bytes(out, Some(&statement.id));
    put_long_string(out, &statement.text);
    put_bytes(out, statement.keyspace.as_deref().map(str::as_bytes));
    let table = statement.table.as_ref();
    put_bytes(out, table.map(|(keyspace, _)| keyspace.as_bytes()));
    put_bytes(out, table.map(|(_, table)| table.as_bytes()));
    put_list(out, &statement.pk_indexes, |out, index| put_short(out, *index));
    put_list(out, &statement.names, |out, name| put_long_string(out, name));
    out.push(write_type_number(statement.write_type));
    put_bytes(out, Some(&statement.result_metadata));
    put_bytes(out, Some(&statement.metadata_id));
}

fn read_statement(reader: &mut Reader<'_>) -> Result<Restored, WireError> {
    let bits = reader.byte()?;
    let used = reader.long()?.cast_unsigned();
    let id = bytes(reader)?;
    let text = reader.long_string()?.into();
    let keyspace = optional_text(reader)?;
    let table = optional_text(reader)?.zip(optional_text(reader)?);
    let statement = Statement {
        id,
        text,
        keyspace,
        table,
        pk_indexes: read_list(reader, |reader| reader.short())?,
        names: read_list(reader, |reader| Ok(reader.long_string()?.into()))?,
        lwt: bits & LWT != 0,
        is_read: bits & IS_READ != 0,
        write_type: write_type(reader.byte()?),
        result_metadata: bytes(reader)?,
        metadata_id: bytes(reader)?,
    };
    Ok(Restored {
        statement: Arc::new(statement),
        changed: bits & CHANGED != 0,
        mixed: bits & MIXED != 0,
        writes: bits & WRITES != 0,
        used,
    })
}

fn put_key(out: &mut Vec<u8>, key: &TableKey) {
    put_long_string(out, &key.keyspace);
    put_long_string(out, &key.table);
    out.push(u8::from(key.columns.is_some()));
    put_list(out, key.columns.as_deref().unwrap_or_default(), |out, column| {
        put_long_string(out, &column.name);
        column.kind.put(out);
    });
}

fn read_key(reader: &mut Reader<'_>) -> Result<Arc<TableKey>, WireError> {
    let (keyspace, table) = (reader.long_string()?.into(), reader.long_string()?.into());
    let is_there = reader.byte()? != 0;
    let columns = read_list(reader, |reader| {
        Ok(KeyColumn { name: reader.long_string()?.into(), kind: ColumnType::read(reader)? })
    })?;
    let columns = is_there.then(|| columns.into());
    Ok(Arc::new(TableKey { keyspace, table, columns, is_absent: false }))
}

/// Replicas name their hosts by places in a list of the record's own.
fn put_tablets(out: &mut Vec<u8>, tablets: &TableTablets) {
    put_long_string(out, &tablets.keyspace);
    put_long_string(out, &tablets.table);
    put_long_string(out, &tablets.replication);
    let mut hosts: Vec<HostId> =
        tablets.tablets.iter().flat_map(|it| &it.replicas).map(|(host, _)| *host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    put_list(out, &hosts, |out, host| out.extend_from_slice(&host.0));
    put_list(out, &tablets.tablets, |out, tablet| {
        put_long(out, tablet.first);
        put_long(out, tablet.last);
        put_list(out, &tablet.replicas, |out, (host, shard)| {
            let place = hosts.binary_search(host).ok().and_then(|place| u16::try_from(place).ok());
            put_short(out, place.unwrap_or(u16::MAX));
            put_short(out, *shard);
        });
    });
}

fn read_tablets(reader: &mut Reader<'_>) -> Result<TableTablets, WireError> {
    let (keyspace, table) = (reader.long_string()?.into(), reader.long_string()?.into());
    let replication = reader.long_string()?.into();
    let hosts = read_list(reader, |reader| Ok(HostId(reader.uuid()?)))?;
    let replica = |reader: &mut Reader<'_>| {
        let place = reader.short()?;
        let host =
            hosts.get(usize::from(place)).ok_or_else(|| WireError::Length(i32::from(place)))?;
        Ok((*host, reader.short()?))
    };
    let tablet = |reader: &mut Reader<'_>| {
        let (first, last) = (reader.long()?, reader.long()?);
        Ok(ReadTablet { first, last, replicas: read_list(reader, replica)? })
    };
    let tablets = read_list(reader, tablet)?;
    Ok(TableTablets { keyspace, table, replication, tablets })
}

/// Appends how many there are, then each.
fn put_list<T>(out: &mut Vec<u8>, list: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_int(out, i32::try_from(list.len()).unwrap_or(i32::MAX));
    list.iter().for_each(|item| put(out, item));
}

/// Reads a list. Nothing is reserved for a length that bytes only claim to have.
fn read_list<T>(
    reader: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let count = reader.int()?;
    if count < 0 {
        return Err(WireError::Length(count));
    }
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(read(reader)?);
    }
    Ok(list)
}

fn bytes(reader: &mut Reader<'_>) -> Result<Box<[u8]>, WireError> {
    reader.bytes()?.map(Box::from).ok_or(WireError::Length(-1))
}

fn optional_text(reader: &mut Reader<'_>) -> Result<Option<Arc<str>>, WireError> {
    let Some(bytes) = reader.bytes()? else { return Ok(None) };
    let text = str::from_utf8(bytes).map_err(|_| WireError::Utf8)?;
    Ok(Some(text.into()))
}

fn length(bytes: &[u8]) -> WireError {
    WireError::Length(i32::try_from(bytes.len()).unwrap_or(i32::MAX))
}

const fn write_type_number(write_type: WriteType) -> u8 {
    match write_type {
        WriteType::Unknown => 0,
        WriteType::Simple => 1,
        WriteType::Batch => 2,
        WriteType::UnloggedBatch => 3,
        WriteType::Counter => 4,
        WriteType::Cas => 5,
    }
}

/// What is not known is as good as unknown.
const fn write_type(number: u8) -> WriteType {
    match number {
        1 => WriteType::Simple,
        2 => WriteType::Batch,
        3 => WriteType::UnloggedBatch,
        4 => WriteType::Counter,
        5 => WriteType::Cas,
        _ => WriteType::Unknown,
    }
}
