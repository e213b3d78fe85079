//! Columns and types as result and bind metadata have them (v4 section 4.2.5.2).

use md5::{Digest, Md5};

use crate::sim::store::column_spec::ColumnSpec;
use crate::wire::notation::put_string;

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
        column.column_type.put(out);
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
