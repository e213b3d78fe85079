//! Metadata of rows and bind markers: which columns, of which types (v4 section 4.2.5.2).

use crate::error::WireError;
use crate::header::RESPONSE;
use crate::notation::{Reader, put_bytes, put_int, put_short, put_short_bytes, put_string};
use crate::values::column_type::ColumnType;

/// Keyspace and table stand once, before all columns.
pub const GLOBAL_TABLES_SPEC: u32 = 0x0001;
/// A paging state follows.
pub const HAS_MORE_PAGES: u32 = 0x0002;
/// Columns are counted, not described.
pub const NO_METADATA: u32 = 0x0004;
/// A new result metadata id follows (v5, or ScyllaDB's extension).
pub const METADATA_CHANGED: u32 = 0x0008;

/// One column or marker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ColumnSpec<'a> {
    /// Keyspace of the table; empty for a marker of no table.
    pub keyspace: &'a str,
    /// The table.
    pub table: &'a str,
    /// Name of the column, its alias, or the marker's.
    pub name: &'a str,
    /// Its type.
    pub kind: ColumnType,
}

/// Where keyspace and table stand when metadata is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MetadataStyle {
    /// Once for all columns, as Cassandra and newer ScyllaDB (2026.3) do it.
    #[default]
    Global,
    /// At each column of a result, as ScyllaDB 6.2 does it.
    PerColumn,
}

/// Metadata of rows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Metadata<'a> {
    /// The number of cells in each row, given with and without `columns`.
    pub columns_count: u32,
    /// Where the page ended, when more follow.
    pub paging_state: Option<&'a [u8]>,
    /// Id of changed metadata.
    pub metadata_id: Option<&'a [u8]>,
    /// The columns; empty when the client asked to leave them out.
    pub columns: Vec<ColumnSpec<'a>>,
    /// Where keyspace and table stood.
    pub style: MetadataStyle,
}

impl<'a> Metadata<'a> {
    /// Metadata of one page of `columns`, to be written.
    #[must_use]
    pub fn new(style: MetadataStyle, columns: Vec<ColumnSpec<'a>>) -> Self {
        let columns_count = u32::try_from(columns.len()).unwrap_or(u32::MAX);
        Self { columns_count, columns, style, ..Self::default() }
    }

    /// Reads metadata of rows.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let flags = u32::from_be_bytes(reader.int()?.to_be_bytes());
        let columns_count = count(reader)?;
        let paging_state = if flags & HAS_MORE_PAGES != 0 { reader.bytes()? } else { None };
        let changed = flags & METADATA_CHANGED != 0;
        let metadata_id = if changed { Some(reader.short_bytes()?) } else { None };
        let global = flags & GLOBAL_TABLES_SPEC != 0;
        let style = if global { MetadataStyle::Global } else { MetadataStyle::PerColumn };
        let columns = if flags & NO_METADATA != 0 {
            Vec::new()
        } else {
            read_columns(reader, columns_count, global)?
        };
        Ok(Self { columns_count, paging_state, metadata_id, columns, style })
    }

    /// Appends the metadata. Columns of several tables are always named one by one.
    pub fn put(&self, out: &mut Vec<u8>) {
        let global = self.style == MetadataStyle::Global && is_one_table(&self.columns);
        let mut flags = 0;
        if self.columns.is_empty() {
            flags |= NO_METADATA;
        }
        // Servers that name the table once leave the flag set when the columns are left out.
        let left_out = self.columns.is_empty() && self.columns_count > 0;
        if global || left_out && self.style == MetadataStyle::Global {
            flags |= GLOBAL_TABLES_SPEC;
        }
        if self.paging_state.is_some() {
            flags |= HAS_MORE_PAGES;
        }
        if self.metadata_id.is_some() {
            flags |= METADATA_CHANGED;
        }
        out.extend_from_slice(&flags.to_be_bytes());
        put_int(out, i32::try_from(self.columns_count).unwrap_or(i32::MAX));
        if self.paging_state.is_some() {
            put_bytes(out, self.paging_state);
        }
        if let Some(id) = self.metadata_id {
            put_short_bytes(out, id);
        }
        put_columns(out, &self.columns, global);
    }
}

/// What a PREPARED message says of a statement's markers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindMetadata<'a> {
    /// Where the table stands, and marks such as that of a light-weight transaction.
    pub flags: u32,
    /// Position of the marker of each column of the partition key; always empty on v3.
    pub pk_indexes: Vec<u16>,
    /// The markers.
    pub markers: Vec<ColumnSpec<'a>>,
}

/// Appends the bind metadata of a PREPARED message: `marks` are flags beside the table's, such as
/// the mark of a light-weight transaction. Its table stands once, as all servers do it, unless
/// there are several. v3 has no `pk_indexes`.
pub fn put_bind_metadata(
    out: &mut Vec<u8>,
    version: u8,
    marks: u32,
    pk_indexes: &[u16],
    markers: &[ColumnSpec<'_>],
) {
    let global = is_one_table(markers);
    let flags = marks | if global { GLOBAL_TABLES_SPEC } else { 0 };
    out.extend_from_slice(&flags.to_be_bytes());
    put_int(out, i32::try_from(markers.len()).unwrap_or(i32::MAX));
    if version & !RESPONSE >= 4 {
        put_int(out, i32::try_from(pk_indexes.len()).unwrap_or(i32::MAX));
        pk_indexes.iter().for_each(|index| put_short(out, *index));
    }
    put_columns(out, markers, global);
}

/// Reads the bind metadata of a PREPARED message.
pub fn read_bind_metadata<'a>(
    reader: &mut Reader<'a>,
    version: u8,
) -> Result<BindMetadata<'a>, WireError> {
    let flags = u32::from_be_bytes(reader.int()?.to_be_bytes());
    let columns_count = count(reader)?;
    let mut pk_indexes = Vec::new();
    if version & !RESPONSE >= 4 {
        for _ in 0..count(reader)? {
            pk_indexes.push(reader.short()?);
        }
    }
    let markers = read_columns(reader, columns_count, flags & GLOBAL_TABLES_SPEC != 0)?;
    Ok(BindMetadata { flags, pk_indexes, markers })
}

fn count(reader: &mut Reader<'_>) -> Result<u32, WireError> {
    let count = reader.int()?;
    u32::try_from(count).map_err(|_| WireError::Length(count))
}

fn read_columns<'a>(
    reader: &mut Reader<'a>,
    count: u32,
    global: bool,
) -> Result<Vec<ColumnSpec<'a>>, WireError> {
    let mut columns = Vec::new();
    // Some servers write the table although no column follows, others do not.
    if count == 0 && reader.rest().is_empty() {
        return Ok(columns);
    }
    let shared = if global { Some((reader.string()?, reader.string()?)) } else { None };
    for _ in 0..count {
        let (keyspace, table) = match shared {
            Some(shared) => shared,
            None => (reader.string()?, reader.string()?),
        };
        let name = reader.string()?;
        columns.push(ColumnSpec { keyspace, table, name, kind: ColumnType::read(reader)? });
    }
    Ok(columns)
}

fn is_one_table(columns: &[ColumnSpec<'_>]) -> bool {
    let Some(first) = columns.first() else { return false };
    columns.iter().all(|one| (one.keyspace, one.table) == (first.keyspace, first.table))
}

fn put_columns(out: &mut Vec<u8>, columns: &[ColumnSpec<'_>], global: bool) {
    for (index, column) in columns.iter().enumerate() {
        if !global || index == 0 {
            put_string(out, column.keyspace);
            put_string(out, column.table);
        }
        put_string(out, column.name);
        column.kind.put(out);
    }
}
