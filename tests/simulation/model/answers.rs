//! What an answer must say, by what was asked.

use crate::model::ledger::Record;
use crate::model::statements::{Handle, RequestKind, Shape};
use cql::consistency::Consistency;
use cql::response::error::{ErrorMessage, Extras};
use cql::response::result::ResultKind;
use cql::response::rows::Rows;

/// A write that the proxy lost is reported with its own consistency, and a counter or a light-weight
/// transaction by no type that drivers' policies repeat. A node's own words are passed on.
pub(crate) fn judge_lost_write(record: &Record, body: &[u8]) -> Result<(), String> {
    let error = ErrorMessage::read(body).map_err(|error| error.to_string())?;
    let Extras::WriteTimeout { consistency, write_type, .. } = error.extras else { return Ok(()) };
    if !error.text.starts_with("shardlane") {
        return Ok(());
    }
    let is_conditional = matches!(
        &record.ask,
        RequestKind::Execute(handle, _) | RequestKind::Text(handle, _) if handle.shape == Shape::Insert
    );
    let asked = if record.local { Consistency::LocalOne } else { Consistency::One };
    // A transaction may be lost in the phase that has a consistency of its own.
    if !is_conditional && consistency != asked {
        return Err(format!("{consistency:?} instead of {asked:?}"));
    }
    if record.ask.is_write() && !matches!(write_type, "COUNTER" | "CAS") {
        return Err(format!("it is called {write_type}"));
    }
    Ok(())
}

/// Whether a RESULT is of this kind.
pub(crate) fn expect_kind(body: &[u8], kind: ResultKind) -> Result<(), String> {
    let found = ResultKind::read(body).map_err(|error| error.to_string())?;
    if found == kind { Ok(()) } else { Err(format!("{found:?} instead of {kind:?}")) }
}

/// Whether a RESULT has the row that the request named.
pub(crate) fn judge_result(
    handle: Handle,
    key: u64,
    held: Option<&[String]>,
    body: &[u8],
) -> Result<(), String> {
    if handle.shape == Shape::Count {
        return expect_kind(body, ResultKind::Void);
    }
    expect_kind(body, ResultKind::Rows)?;
    let rows = Rows::read(body).map_err(|error| error.to_string())?;
    if let Shape::Typed(_) = handle.shape {
        let wanted = handle.cell(key);
        let is_it = |cells: &[Option<&[u8]>]| cells == [Some(&wanted[..])];
        let is_there = rows.rows().any(|row| row.is_ok_and(|row| is_it(&row.cells)));
        return is_there.then_some(()).ok_or_else(|| "another row".to_owned());
    }
    let named: Vec<&str> = if rows.metadata.columns.is_empty() {
        held.unwrap_or_default().iter().map(String::as_str).collect()
    } else {
        rows.metadata.columns.iter().map(|column| column.name).collect()
    };
    let row = rows.rows().next().ok_or("no row")?.map_err(|error| error.to_string())?;
    if row.cells.len() != named.len() {
        return Err(format!("{} cells under {named:?}", row.cells.len()));
    }
    let cell = |name: &str| {
        let at = named.iter().position(|known| *known == name)?;
        row.cells.get(at).copied().flatten()
    };
    if handle.shape == Shape::Insert {
        let applied = cell("[applied]").ok_or("no [applied]")?;
        return if applied == [1] { Ok(()) } else { Err("it was there already".to_owned()) };
    }
    let wanted = (key.to_be_bytes(), handle.cell(key));
    let found = (cell("pk"), cell("v"));
    if found == (Some(&wanted.0[..]), Some(&wanted.1[..])) {
        return Ok(());
    }
    if handle.shape == Shape::Large {
        let (found, wanted) = (found.1.unwrap_or_default(), wanted.1);
        let same = found.iter().zip(&wanted).take_while(|(one, other)| one == other).count();
        let (got, all) = (found.len(), wanted.len());
        return Err(format!("{got} bytes, of which {same} are right, instead of {all}"));
    }
    Err(format!("row {found:02x?} instead of {wanted:02x?}"))
}
