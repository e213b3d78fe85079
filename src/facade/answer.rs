//! The answer to a SELECT: its rows are looked through once to measure it, and again to write it.
//!
//! Nothing of it is held in between, so that what an answer costs is known, and can be refused,
//! before there is one.

use std::collections::HashSet;

use crate::facade::outputs::{Counts, Outputs, place_of};
use crate::facade::refusal::Refusal;
use crate::facade::tables::virtual_table::{Cell, Column, ColumnRole, Viewpoint, VirtualTable};
use crate::facade::text::bound_values::BoundValues;
use crate::facade::text::select::{Comparand, Limit, Relation, Select};
use cql::notation::{put_bytes, put_int};
use cql::request::parameters::{Options, Parameters};
use cql::response::metadata::MetadataStyle;
use cql::response::result::ResultKind;
use cql::values::cell;

/// Bytes of one answer at most. A page ends before it would be longer, as a server's does.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Bytes of a paging state: a position, and how many rows were shown before it.
const STATE_LEN: usize = 16;

/// The answer to a SELECT, not yet written.
#[derive(Debug)]
pub struct Answer<'a> {
    outputs: Outputs<'a>,
    conditions: Vec<Condition>,
    asked: &'a Viewpoint<'a>,
    /// Everything before the number of rows.
    head: Vec<u8>,
    from: u64,
    content: Content,
    len: usize,
}

/// What follows the metadata.
#[derive(Debug)]
enum Content {
    /// So many rows, from `from` on.
    Rows(u32),
    /// One row: what was counted, beside the first row that was found.
    Counted(Counts, Vec<Option<Vec<u8>>>),
}

/// A column, and the cells of which it must have one.
#[derive(Debug)]
struct Condition {
    column: usize,
    accepted: Vec<Vec<u8>>,
}

/// How far an answer goes.
#[derive(Clone, Copy, Debug)]
struct Extent {
    from: u64,
    shown: u64,
    page: Option<u64>,
    limit: Option<u64>,
}

/// What measuring found.
#[derive(Debug, Default)]
struct Measured {
    rows: u32,
    bytes: usize,
    /// Where the next page begins.
    next: Option<u64>,
    too_large: bool,
}

impl<'a> Answer<'a> {
    pub(in crate::facade) fn new(
        table: &'a dyn VirtualTable,
        style: MetadataStyle,
        select: &'a Select,
        parameters: &Parameters<'a>,
        asked: &'a Viewpoint<'a>,
    ) -> Result<Self, Refusal> {
        let outputs = Outputs::new(table, select)?;
        check(table, select)?;
        let values = BoundValues::read(select, &parameters.values)?;
        let options = parameters.options().map_err(|error| Refusal::broken(&error))?;
        let extent = Extent::new(select, &values, &options)?;
        let conditions = select.relations.iter().map(|one| Condition::new(table, one, &values));
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        let mut answer = Self {
            outputs,
            conditions,
            asked,
            head: Vec::new(),
            from: extent.from,
            content: Content::Rows(0),
            len: 0,
        };
        let mut state = None;
        let bytes = if answer.outputs.counts() {
            answer.count()
        } else {
            let found = answer.measure(extent);
            if found.too_large {
                return Err(Refusal::too_large(ANSWER_BYTES_MAX));
            }
            let shown = extent.shown + u64::from(found.rows);
            state = found.next.map(|next| paging_state(next, shown));
            answer.content = Content::Rows(found.rows);
            found.bytes
        };
        answer.put_head(style, state.as_ref().map(<[u8; STATE_LEN]>::as_slice));
        answer.len = answer.head.len() + 4 + bytes;
        if answer.len > ANSWER_BYTES_MAX + answer.head.len() + 4 {
            return Err(Refusal::too_large(ANSWER_BYTES_MAX));
        }
        Ok(answer)
    }

    /// The number of bytes that [`Self::put`] appends.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to append, which is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the message of the RESULT.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        match &self.content {
            Content::Rows(rows) => {
                put_int(out, i32::try_from(*rows).unwrap_or(i32::MAX));
                let mut left = *rows;
                self.each_row(self.from, |_, row| {
                    if left == 0 {
                        return false;
                    }
                    left -= 1;
                    self.put_row(out, row, &Counts::default());
                    true
                });
            }
            Content::Counted(counts, first) => {
                put_int(out, 1);
                self.put_row(out, &borrowed(first), counts);
            }
        }
    }

    fn put_row(&self, out: &mut Vec<u8>, row: &[Cell<'_>], counts: &Counts) {
        self.outputs.each_cell(row, counts, |cell| {
            put_bytes(out, cell);
            true
        });
    }

    fn put_head(&mut self, style: MetadataStyle, state: Option<&[u8]>) {
        let mut head = Vec::new();
        put_int(&mut head, ResultKind::Rows.code());
        let mut metadata = self.outputs.metadata(style);
        metadata.paging_state = state;
        metadata.put(&mut head);
        self.head = head;
    }

    /// Finds out how many rows fit into this answer, and how long they are.
    fn measure(&self, extent: Extent) -> Measured {
        let mut found = Measured::default();
        self.each_row(extent.from, |position, row| {
            let rows = u64::from(found.rows);
            if extent.limit.is_some_and(|limit| extent.shown + rows >= limit) {
                return false;
            }
            let bytes = self.outputs.row_bytes(row, ANSWER_BYTES_MAX);
            let is_full = found.bytes + bytes > ANSWER_BYTES_MAX;
            if is_full || extent.page.is_some_and(|page| rows >= page) {
                found.next = Some(position);
                found.too_large = is_full && (rows == 0 || extent.page.is_none());
                return false;
            }
            found.rows += 1;
            found.bytes += bytes;
            true
        });
        found
    }

    /// Counts all rows; the bytes of the one row that shows how many there are.
    fn count(&mut self) -> usize {
        let mut counts = Counts::default();
        let mut first = Vec::new();
        self.each_row(0, |_, row| {
            if first.is_empty() {
                let owned = |cell: &Cell<'_>| cell.as_ref().map(|cell| cell.to_vec());
                first = row.iter().map(owned).collect();
            }
            self.outputs.count(&mut counts, row);
            true
        });
        let mut bytes = 0;
        self.outputs.each_cell(&borrowed(&first), &counts, |cell| {
            bytes += 4 + cell.map_or(0, <[u8]>::len);
            bytes <= ANSWER_BYTES_MAX
        });
        self.content = Content::Counted(counts, first);
        bytes
    }

    /// Hands out the rows that fulfil all conditions, with their positions; with DISTINCT the first
    /// one of each partition.
    fn each_row(&self, from: u64, mut take: impl FnMut(u64, &[Cell<'_>]) -> bool) {
        let is_distinct = self.outputs.select.is_distinct;
        // Rows of a partition may stand anywhere, and also on pages before.
        let visited_from = if is_distinct { 0 } else { from };
        let mut shown = HashSet::new();
        self.outputs.table.visit(self.asked, visited_from, &mut |row| {
            let is_wanted = self.conditions.iter().all(|one| one.holds(&row.cells))
                && (!is_distinct || shown.insert(self.partition(&row.cells)))
                && row.position >= from;
            !is_wanted || take(row.position, &row.cells)
        });
    }

    /// The partition key of a row.
    fn partition(&self, row: &[Cell<'_>]) -> Vec<Option<Vec<u8>>> {
        let columns = self.outputs.table.columns().iter().zip(row);
        let key = columns.filter(|(column, _)| column.role == ColumnRole::PartitionKey);
        key.map(|(_, cell)| cell.as_ref().map(|cell| cell.to_vec())).collect()
    }
}

impl Condition {
    fn new(
        table: &dyn VirtualTable,
        relation: &Relation,
        values: &BoundValues<'_>,
    ) -> Result<Self, Refusal> {
        let (at, column) = place_of(table, &relation.column)?;
        let mut accepted = Vec::new();
        for term in &relation.terms {
            match term {
                Comparand::Literal(literal) => {
                    accepted.extend(literal.cell_of(column, table.is_of_cassandra())?);
                }
                Comparand::Marker(place) => accepted.extend(values.get(*place).map(<[u8]>::to_vec)),
                Comparand::ListMarker(place) => {
                    let list = values.get(*place).map(cell::list).transpose();
                    let list = list.map_err(|error| Refusal::broken(&error))?;
                    accepted.extend(list.into_iter().flatten().flatten().map(<[u8]>::to_vec));
                }
            }
        }
        Ok(Self { column: at, accepted })
    }

    fn holds(&self, row: &[Cell<'_>]) -> bool {
        let cell = row.get(self.column).and_then(|cell| cell.as_deref());
        cell.is_some_and(|cell| self.accepted.iter().any(|accepted| accepted == cell))
    }
}

impl Extent {
    fn new(
        select: &Select,
        values: &BoundValues<'_>,
        options: &Options<'_>,
    ) -> Result<Self, Refusal> {
        let limit = match select.limit {
            Some(Limit::Rows(0)) => return Err(Refusal::limit()),
            Some(Limit::Rows(rows)) => Some(u64::from(rows)),
            Some(Limit::Marker(place)) => match values.get(place) {
                Some(bytes) => {
                    let rows = cell::int(bytes).map_err(|error| Refusal::broken(&error))?;
                    let rows = u64::try_from(rows).ok().filter(|rows| *rows > 0);
                    Some(rows.ok_or_else(Refusal::limit)?)
                }
                // Null and unset are no limit.
                None => None,
            },
            None => None,
        };
        let page = options.page_size.and_then(|rows| u64::try_from(rows).ok());
        let page = page.filter(|rows| *rows > 0);
        let (from, shown) = match options.paging_state {
            None => (0, 0),
            Some(state) => read_paging_state(state).ok_or_else(Refusal::paging_state)?,
        };
        Ok(Self { from, shown, page, limit })
    }
}

/// What is wrong with the conditions of a statement, whatever values it is run with.
pub(in crate::facade) fn check(table: &dyn VirtualTable, select: &Select) -> Result<(), Refusal> {
    for relation in &select.relations {
        let (_, column) = place_of(table, &relation.column)?;
        for term in &relation.terms {
            if let Comparand::Literal(literal) = term {
                literal.cell_of(column, table.is_of_cassandra())?;
            }
        }
    }
    check_keys(table, select)
}

/// Rows are looked for by the whole partition key and clustering columns in their order, or all are
/// looked at; else the client must allow that they are.
fn check_keys(table: &dyn VirtualTable, select: &Select) -> Result<(), Refusal> {
    let role = |role| move |column: &&Column| column.role == role;
    let columns = table.columns();
    let has_clustering = columns.iter().any(|column| column.role == ColumnRole::ClusteringKey);
    if select.limits_partitions && has_clustering {
        return Err(Refusal::partition_limit());
    }
    if select.relations.is_empty() || select.allows_filtering {
        return Ok(());
    }
    let is_asked =
        |column: &Column| select.relations.iter().any(|relation| relation.column == column.name);
    let partition = columns.iter().filter(role(ColumnRole::PartitionKey));
    let clustering = columns.iter().filter(role(ColumnRole::ClusteringKey));
    let mut rest = clustering.skip_while(|column| is_asked(column));
    let is_by_key = partition.clone().all(is_asked)
        && !rest.any(is_asked)
        && !columns.iter().filter(role(ColumnRole::Static)).any(is_asked)
        && !columns.iter().filter(role(ColumnRole::Regular)).any(is_asked);
    if is_by_key { Ok(()) } else { Err(Refusal::needs_filtering()) }
}

fn paging_state(next: u64, shown: u64) -> [u8; STATE_LEN] {
    (u128::from(next) << 64 | u128::from(shown)).to_be_bytes()
}

/// The position where a page begins, and how many rows were shown before.
fn read_paging_state(state: &[u8]) -> Option<(u64, u64)> {
    let (next, shown) = state.split_at_checked(8)?;
    let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
    Some((number(next)?, number(shown)?))
}

fn borrowed(row: &[Option<Vec<u8>>]) -> Vec<Cell<'_>> {
    row.iter().map(|cell| cell.as_deref().map(Into::into)).collect()
}

#[cfg(test)]
mod tests;
