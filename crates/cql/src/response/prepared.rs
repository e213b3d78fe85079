//! RESULT Prepared: a statement's id, its bind markers and the columns it will return.

use crate::error::WireError;
use crate::notation::Reader;
use crate::response::metadata::GLOBAL_TABLES_SPEC;
use crate::values::column_type;

/// The type option of a counter.
const COUNTER: [u8; 2] = [0, 5];

/// The message of RESULT Prepared without a result metadata id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prepared<'a> {
    /// The id that EXECUTE names.
    pub id: &'a [u8],
    /// Bind metadata flags; the bit of a light-weight transaction is among them.
    pub flags: u32,
    /// Offset of those flags in the message.
    pub flags_at: usize,
    /// Position of the marker of each partition-key component, in the key's order; empty when the
    /// key is not all markers, and always on v3.
    pub pk_indexes: Vec<u16>,
    /// Keyspace and table, when all markers share one.
    pub table: Option<PreparedTable<'a>>,
    /// Names of the markers.
    pub names: Vec<&'a str>,
    /// Whether a marker is for a counter.
    pub has_counter: bool,
    /// The result metadata as sent.
    pub result_metadata: &'a [u8],
}

/// The table that a statement's markers belong to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PreparedTable<'a> {
    /// Its keyspace.
    pub keyspace: &'a str,
    /// Its name.
    pub table: &'a str,
}

impl<'a> PreparedTable<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self { keyspace: reader.string()?, table: reader.string()? })
    }
}

impl<'a> Prepared<'a> {
    /// Reads the message of a RESULT Prepared of protocol `version` (3 or 4), kind included.
    pub fn read(version: u8, message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        reader.int()?;
        let id = reader.short_bytes()?;
        let flags_at = message.len() - reader.rest().len();
        let flags = u32::from_be_bytes(reader.int()?.to_be_bytes());
        let columns = count(reader.int()?)?;
        let mut pk_indexes = Vec::new();
        if version >= 4 {
            for _ in 0..count(reader.int()?)? {
                pk_indexes.push(reader.short()?);
            }
        }
        let global = flags & GLOBAL_TABLES_SPEC != 0;
        let mut table = None;
        if global {
            table = Some(PreparedTable::read(&mut reader)?);
        }
        let mut names = Vec::new();
        let mut has_counter = false;
        for index in 0..columns {
            if !global {
                let own = PreparedTable::read(&mut reader)?;
                table = if index == 0 || table == Some(own) { Some(own) } else { None };
            }
            names.push(reader.string()?);
            has_counter |= reader.rest().starts_with(&COUNTER);
            column_type::skip(&mut reader)?;
        }
        let result_metadata = reader.rest();
        Ok(Self { id, flags, flags_at, pk_indexes, table, names, has_counter, result_metadata })
    }
}

fn count(number: i32) -> Result<u32, WireError> {
    u32::try_from(number).map_err(|_| WireError::Length(number))
}
