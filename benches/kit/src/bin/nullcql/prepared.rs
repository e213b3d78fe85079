//! What a node says of the bind markers of a prepared statement.

use crate::cells::Ty;
use crate::cells::put_type;
use crate::statement::Cond;
use crate::statement::Kind;
use crate::statement::Statement;
use shardlane_bench_kit::cql::put_i32;
use shardlane_bench_kit::cql::put_string;
use shardlane_bench_kit::cql::put_u16;

/// Bind metadata, with the places of the partition key for v4.
pub fn put_bind_metadata(out: &mut Vec<u8>, version: u8, s: &Statement) {
    put_i32(out, 1); // global table spec
    put_i32(out, s.binds.len() as i32);
    if version >= 4 {
        put_i32(out, s.pk_indexes.len() as i32);
        s.pk_indexes.iter().for_each(|i| put_u16(out, *i));
    }
    let (ks, table, conds) = match &s.kind {
        Kind::System { ks, table, conds, .. } => (ks.as_str(), table.as_str(), conds.as_slice()),
        _ => ("ks", "t", [].as_slice()),
    };
    put_string(out, ks);
    put_string(out, table);
    for (i, (name, ty)) in s.binds.iter().enumerate() {
        let is_list = conds.iter().any(|c| matches!(c, Cond::InBind(_, bind) if *bind == i));
        put_string(out, name);
        put_type(out, if is_list { Ty::ListText } else { *ty });
    }
}
