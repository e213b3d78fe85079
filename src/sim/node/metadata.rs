//! Columns and types as result and bind metadata have them (v4 section 4.2.5.2).

use md5::{Digest, Md5};

use crate::sim::cql::column_type::{ColumnSpec, ColumnType};
use crate::wire::notation::{put_short, put_string};

/// The id of empty result metadata: what the real server says.
const EMPTY_METADATA_ID: u128 = 0xe3b0_c442_98fc_1c14_9afb_f4c8_996f_b924;

/// Whether all columns are of one table, which can then be named once.
#[must_use]
pub fn one_table(columns: &[ColumnSpec]) -> bool {
    let Some((first, others)) = columns.split_first() else { return false };
    others.iter().all(|it| it.table == first.table && it.keyspace == first.keyspace)
}

/// Writes columns; `global` when their table is to be named once, in front.
pub fn write_columns(columns: &[ColumnSpec], global: bool, out: &mut Vec<u8>) {
    if let Some(first) = columns.first().filter(|_| global) {
        put_string(out, &first.keyspace);
        put_string(out, &first.table);
    }
    for column in columns {
        if !global {
            put_string(out, &column.keyspace);
            put_string(out, &column.table);
        }
        put_string(out, &column.name);
        write_type(&column.column_type, out);
    }
}

/// Writes a type option.
pub fn write_type(column_type: &ColumnType, out: &mut Vec<u8>) {
    put_short(out, code(column_type));
    match column_type {
        ColumnType::Custom(class) => put_string(out, class),
        ColumnType::List(element) | ColumnType::Set(element) => write_type(element, out),
        ColumnType::Map(key, value) => {
            write_type(key, out);
            write_type(value, out);
        }
        ColumnType::Udt(keyspace, name, fields) => {
            put_string(out, keyspace);
            put_string(out, name);
            put_short(out, u16::try_from(fields.len()).unwrap_or(u16::MAX));
            for (name, field) in fields {
                put_string(out, name);
                write_type(field, out);
            }
        }
        ColumnType::Tuple(elements) => {
            put_short(out, u16::try_from(elements.len()).unwrap_or(u16::MAX));
            for element in elements {
                write_type(element, out);
            }
        }
        ColumnType::Ascii
        | ColumnType::BigInt
        | ColumnType::Blob
        | ColumnType::Boolean
        | ColumnType::Counter
        | ColumnType::Decimal
        | ColumnType::Double
        | ColumnType::Float
        | ColumnType::Int
        | ColumnType::Timestamp
        | ColumnType::Uuid
        | ColumnType::Text
        | ColumnType::VarInt
        | ColumnType::TimeUuid
        | ColumnType::Inet
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::SmallInt
        | ColumnType::TinyInt
        | ColumnType::Duration => {}
    }
}

fn code(column_type: &ColumnType) -> u16 {
    match column_type {
        ColumnType::Custom(_) => 0x00,
        ColumnType::Ascii => 0x01,
        ColumnType::BigInt => 0x02,
        ColumnType::Blob => 0x03,
        ColumnType::Boolean => 0x04,
        ColumnType::Counter => 0x05,
        ColumnType::Decimal => 0x06,
        ColumnType::Double => 0x07,
        ColumnType::Float => 0x08,
        ColumnType::Int => 0x09,
        ColumnType::Timestamp => 0x0b,
        ColumnType::Uuid => 0x0c,
        ColumnType::Text => 0x0d,
        ColumnType::VarInt => 0x0e,
        ColumnType::TimeUuid => 0x0f,
        ColumnType::Inet => 0x10,
        ColumnType::Date => 0x11,
        ColumnType::Time => 0x12,
        ColumnType::SmallInt => 0x13,
        ColumnType::TinyInt => 0x14,
        ColumnType::Duration => 0x15,
        ColumnType::List(_) => 0x20,
        ColumnType::Map(..) => 0x21,
        ColumnType::Set(_) => 0x22,
        ColumnType::Udt(..) => 0x30,
        ColumnType::Tuple(_) => 0x31,
    }
}

/// An id that is the same for equal metadata. To clients it is opaque; the real server hashes
/// other bytes with another function.
#[must_use]
pub fn metadata_id(columns: &[ColumnSpec]) -> [u8; 16] {
    if columns.is_empty() {
        return EMPTY_METADATA_ID.to_be_bytes();
    }
    let mut hash = Md5::new();
    let mut bytes = Vec::new();
    write_columns(columns, false, &mut bytes);
    hash.update(&bytes);
    hash.finalize().into()
}
