//! Answers reads of system tables.

use crate::cells::*;
use crate::statement::Cond;
use crate::statement::Kind;
use crate::statement::Sel;
use crate::tables::Table;
use shardlane_bench_kit::cql::*;
use std::net::Ipv4Addr;

/// Appends result metadata and, unless `metadata_only`, the rows; or says why not.
pub fn put_system_rows(
    o: &mut Vec<u8>,
    tables: &[Table],
    kind: &Kind,
    params: Option<&Params<'_>>,
    metadata_only: bool,
) -> Result<(), String> {
    let Kind::System { ks, table, sel, conds } = kind else {
        return Err("not a read of a system table".into());
    };
    let found = tables.iter().find(|t| t.ks == ks && t.name == table);
    let table = found.ok_or_else(|| format!("unconfigured table {table}"))?;
    let sel = resolve(table, sel.as_deref())?;
    put_metadata(o, table, &sel);
    if metadata_only {
        return Ok(());
    }
    let matching = |row: &&Vec<Cell>| conds.iter().all(|c| matches(table, row, c, params));
    let rows: Vec<&Vec<Cell>> = table.rows.iter().filter(matching).collect();
    let counted = sel.iter().any(|(s, _)| matches!(s, Sel::Count(_)));
    let no_row: Vec<Cell> = vec![None; table.cols.len()];
    let shown = if counted { vec![*rows.first().unwrap_or(&&no_row)] } else { rows.clone() };
    put_i32(o, shown.len() as i32);
    for row in shown {
        for (s, column) in &sel {
            match s {
                Sel::Col(..) => put_bytes(o, row[*column].as_deref()),
                Sel::Count(_) => put_bytes(o, Some(&(rows.len() as i64).to_be_bytes())),
                Sel::Now(_) => put_bytes(o, Some(&uuid(9, u64::from(std::process::id()), 1))),
            }
        }
    }
    Ok(())
}

/// The selectors with the places of their columns (0 for functions); all columns for `*`.
fn resolve(table: &Table, sel: Option<&[Sel]>) -> Result<Vec<(Sel, usize)>, String> {
    let Some(sel) = sel else {
        let all = table.cols.iter().map(|c| Sel::Col(c.0.into(), c.0.into()));
        return Ok(all.zip(0..).collect());
    };
    let place = |s: &Sel| match s {
        Sel::Col(name, _) => column(table, name).ok_or_else(|| format!("Unrecognized name {name}")),
        Sel::Count(_) | Sel::Now(_) => Ok(0),
    };
    sel.iter().map(|s| Ok((s.clone(), place(s)?))).collect()
}

fn column(table: &Table, name: &str) -> Option<usize> {
    table.cols.iter().position(|c| c.0 == name)
}

fn put_metadata(o: &mut Vec<u8>, table: &Table, sel: &[(Sel, usize)]) {
    put_i32(o, 1); // global table spec
    put_i32(o, sel.len() as i32);
    put_string(o, table.ks);
    put_string(o, table.name);
    for (s, column) in sel {
        let (name, ty) = match s {
            Sel::Col(_, name) => (name, table.cols[*column].1),
            Sel::Count(name) => (name, Ty::Bigint),
            Sel::Now(name) => (name, Ty::Timeuuid),
        };
        put_string(o, name);
        put_type(o, ty);
    }
}

/// Whether a row meets a condition; one that cannot be judged is met.
fn matches(table: &Table, row: &[Cell], cond: &Cond, params: Option<&Params<'_>>) -> bool {
    let bound = |i: usize| params.and_then(|p| p.value(i));
    match cond {
        Cond::Eq(name, values) => column(table, name).is_none_or(|i| {
            let cell = row[i].as_deref();
            let text = |v: &String| cell == Some(v.as_bytes());
            let address =
                |v: &String| v.parse::<Ipv4Addr>().is_ok_and(|a| cell == Some(&a.octets()[..]));
            match table.cols[i].1 {
                Ty::Varchar => values.iter().any(text),
                Ty::Inet => values.iter().any(address),
                _ => true,
            }
        }),
        Cond::EqBind(name, bind) => match (column(table, name), bound(*bind)) {
            (Some(i), Some(v)) => row[i].as_deref() == Some(v),
            _ => true,
        },
        Cond::InBind(name, bind) => match (column(table, name), bound(*bind)) {
            (Some(i), Some(list)) => {
                let mut items = Cur::new(list);
                let count = items.i32().unwrap_or(0);
                (0..count).any(|_| items.bytes().is_some_and(|x| x == row[i].as_deref()))
            }
            _ => true,
        },
    }
}
