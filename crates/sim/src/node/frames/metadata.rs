//! Columns and types as result and bind metadata have them (v4 section 4.2.5.2).

use sha2::{Digest, Sha256};

use crate::cql::class_name::class_name;
use crate::store::definitions::column_spec::ColumnSpec;
use cql::notation::put_string;

/// Whether all columns are of one table, which can then be named once.
#[must_use]
pub(crate) fn one_table(columns: &[ColumnSpec]) -> bool {
    let Some((first, others)) = columns.split_first() else { return false };
    others.iter().all(|it| it.table == first.table && it.keyspace == first.keyspace)
}

/// Writes columns; `global` when their table is to be named once, in front.
pub(crate) fn write_columns(columns: &[ColumnSpec], global: bool, out: &mut Vec<u8>) {
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

/// The id of result metadata, as the real server computes it: the first 16 bytes of the SHA-256 over
/// name and class of each column, each preceded by its length. It is opaque to clients.
#[must_use]
pub(crate) fn metadata_id(columns: &[ColumnSpec]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for column in columns {
        for text in [&column.name, &class_name(&column.column_type)] {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(text);
        }
    }
    let id: [u8; 32] = hash.finalize().into();
    id.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cql::values::column_type::ColumnType;

    #[test]
    fn ids_are_those_of_the_real_server() {
        let column = |(name, column_type): (&str, ColumnType)| ColumnSpec {
            keyspace: "ks".into(),
            table: "t".into(),
            name: name.into(),
            column_type,
        };
        let id = |columns: Vec<(&str, ColumnType)>| {
            let columns: Vec<_> = columns.into_iter().map(column).collect();
            u128::from_be_bytes(metadata_id(&columns))
        };
        let (int, text) = (ColumnType::Int, ColumnType::Varchar);
        assert_eq!(
            id(vec![("pk", int.clone()), ("v", text)]),
            0x7fd7_7f07_d5d6_60ea_5a14_242a_e564_b4d0
        );
        assert_eq!(
            id(vec![("pk", int), ("u", ColumnType::Uuid), ("d", ColumnType::Timestamp)]),
            0x978d_f768_f96e_013a_43a5_b33e_1ff6_2619
        );
        assert_eq!(id(vec![]), 0xe3b0_c442_98fc_1c14_9afb_f4c8_996f_b924);
    }
}
