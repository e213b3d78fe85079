//! The tablets of one table, read from `system.tablets` page by page.
//!
//! A table is a partition there, by the table's id, which the schema holds. Columns are fewer in
//! ScyllaDB 6.2 than in 2026.x. A table may share the tablets of another one (`base_table`). While a
//! tablet moves, `replicas` are still those that nodes judge requests by; `stage` and `new_replicas`
//! say that this is about to change.

use std::sync::Arc;

use crate::control::tables::key_columns::literal;
use crate::engine::action::TableRequest;
use crate::topology::id::HostId;
use crate::topology::tablet_page::{ReadEnd, ReadTablet, TabletPage};
use cql::error::WireError;
use cql::error_code::ErrorCode;
use cql::notation::Reader;
use cql::response::rows::{Row, Rows};
use cql::values::cell;

/// A question about a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// In CQL.
    pub text: String,
    /// Most rows that are wanted at once, and where the page before ended; `None` for all rows.
    pub page: Option<(u32, Option<Vec<u8>>)>,
}

/// How far the reading of one table's tablets has come.
#[derive(Debug)]
pub(super) struct TabletReading {
    pub(super) request: TableRequest,
    page_rows: u32,
    began_us: u64,
    step: Step,
    /// Whether the server has the columns of 2026.x.
    has_base: bool,
    /// Whether the table's own id led to another table's.
    is_shared: bool,
    /// The last token of the tablet before; `None` when that is not known.
    after: Option<i64>,
    moving: bool,
}

#[derive(Debug)]
enum Step {
    /// The id is looked for among the tables,
    Table,
    /// and then among the views.
    View,
    Pages {
        id: HostId,
        state: Option<Vec<u8>>,
    },
}

/// What an answer brought.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    /// There is another question.
    More,
    /// Some tablets, and perhaps the end.
    Page(TabletPage),
    /// The node did not answer the question; it may be asked again later.
    Busy,
}

impl TabletReading {
    pub(super) fn new(request: TableRequest, page_rows: u32, now_us: u64) -> Self {
        Self {
            request,
            page_rows,
            began_us: now_us,
            step: Step::Table,
            has_base: true,
            is_shared: false,
            after: Some(i64::MIN),
            moving: false,
        }
    }

    pub(super) fn question(&self) -> Question {
        let (keyspace, table) = (literal(&self.request.keyspace), literal(&self.request.table));
        let of_schema = |list, name| Question {
            text: format!(
                "SELECT id FROM system_schema.{list} WHERE keyspace_name = {keyspace} AND {name} = \
                 {table}"
            ),
            page: None,
        };
        match &self.step {
            Step::Table => of_schema("tables", "table_name"),
            Step::View => of_schema("views", "view_name"),
            Step::Pages { id, state } => {
                let base = if self.has_base { ", base_table" } else { "" };
                let text = format!(
                    "SELECT last_token, replicas, new_replicas, stage{base} FROM system.tablets \
                     WHERE table_id = {id}"
                );
                Question { text, page: Some((self.page_rows, state.clone())) }
            }
        }
    }

    /// Takes in the answer to the question.
    pub(super) fn on_answer(&mut self, answer: Result<&[u8], ErrorCode>) -> Progress {
        let is_page = matches!(self.step, Step::Pages { .. });
        match answer {
            Ok(message) => {
                let read = if is_page { self.on_page(message) } else { self.on_schema(message) };
                read.unwrap_or_else(|_| self.end(ReadEnd::Failed))
            }
            Err(ErrorCode::UNAUTHORIZED) => self.end(ReadEnd::Refused),
            // ScyllaDB 6.2 knows no such column.
            Err(ErrorCode::INVALID) if is_page && self.has_base => {
                self.has_base = false;
                Progress::More
            }
            Err(ErrorCode::INVALID) => self.end(ReadEnd::Failed),
            Err(_) => Progress::Busy,
        }
    }

    fn on_schema(&mut self, message: &[u8]) -> Result<Progress, WireError> {
        let rows = Rows::read(message)?;
        let row = rows.rows().next().transpose()?;
        let id = row.map(|row| row.read("id", cell::uuid)).transpose()?.flatten();
        self.step = match (id, &self.step) {
            (Some(id), _) => Step::Pages { id: HostId(id), state: None },
            (None, Step::Table) => Step::View,
            (None, Step::View | Step::Pages { .. }) => return Ok(self.end(ReadEnd::Failed)),
        };
        Ok(Progress::More)
    }

    fn on_page(&mut self, message: &[u8]) -> Result<Progress, WireError> {
        let rows = Rows::read(message)?;
        let mut tablets = Vec::new();
        for row in rows.rows() {
            let row = row?;
            if let Some(base) = self.base(&row) {
                self.is_shared = true;
                self.step = Step::Pages { id: HostId(base), state: None };
                return Ok(Progress::More);
            }
            tablets.extend(self.tablet(&row));
        }
        let Some(next) = rows.metadata.paging_state else {
            let end = ReadEnd::Complete { moving: self.moving };
            return Ok(Progress::Page(self.page(tablets, Some(end))));
        };
        if let Step::Pages { state, .. } = &mut self.step {
            *state = Some(next.to_vec());
        }
        Ok(Progress::Page(self.page(tablets, None)))
    }

    /// The table whose tablets this one shares, if that is what the row says.
    fn base(&self, row: &Row<'_, '_>) -> Option<[u8; 16]> {
        let base = row.read("base_table", cell::uuid).ok().flatten();
        base.filter(|_| !self.is_shared && row.get("last_token").is_none())
    }

    /// Reads a row; `None` for one that is damaged. Its range begins where the row before ended, so
    /// the row after one without a last token is of no use, either.
    fn tablet(&mut self, row: &Row<'_, '_>) -> Option<ReadTablet> {
        let last = row.read("last_token", cell::bigint).ok().flatten();
        let first = std::mem::replace(&mut self.after, last)?;
        self.moving |= row.get("stage").is_some() || row.get("new_replicas").is_some();
        let Some(last) = last.filter(|last| *last > first) else {
            self.after = None;
            return None;
        };
        let replicas = row.read("replicas", read_replicas).ok().flatten()?;
        let shards = replicas.into_iter().map(|(host, shard)| Some((host, shard.try_into().ok()?)));
        let replicas: Vec<(HostId, u16)> = shards.collect::<Option<_>>()?;
        (!replicas.is_empty()).then_some(ReadTablet { first, last, replicas })
    }

    fn end(&self, end: ReadEnd) -> Progress {
        Progress::Page(self.page(Vec::new(), Some(end)))
    }

    fn page(&self, tablets: Vec<ReadTablet>, end: Option<ReadEnd>) -> TabletPage {
        TabletPage {
            keyspace: Arc::clone(&self.request.keyspace),
            table: Arc::clone(&self.request.table),
            began_us: self.began_us,
            tablets,
            end,
        }
    }
}

/// Reads `list<tuple<uuid, int>>`: hosts and shards in the server's order.
pub fn read_replicas(bytes: &[u8]) -> Result<Vec<(HostId, i32)>, WireError> {
    let mut replicas = Vec::new();
    for tuple in cell::list(bytes)?.into_iter().flatten() {
        let mut reader = Reader::new(tuple);
        if let (Some(host), Some(shard)) = (reader.bytes()?, reader.bytes()?) {
            replicas.push((HostId(cell::uuid(host)?), cell::int(shard)?));
        }
    }
    Ok(replicas)
}

#[cfg(test)]
mod tests;
