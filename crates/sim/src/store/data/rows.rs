//! The rows of one table, in the order in which a cluster returns them.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::data::cell::Cell;
use crate::store::data::cell::Cells;
use crate::store::data::cell::NEVER;
use crate::store::definitions::schema::Column;

/// Token and serialized partition key: the order of partitions.
pub(crate) type PartitionKey = (i64, Vec<u8>);

/// A partition's place among all, and the components of its key.
pub(crate) type NamedPartition = (PartitionKey, Vec<Vec<u8>>);

/// Range deletions that a partition keeps; older ones are dropped.
const RANGES_MAX: usize = 1024;

/// The rows of one table.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableRows {
    pub(crate) partitions: BTreeMap<PartitionKey, Partition>,
}

/// Rows between two sort keys: from (inclusive), to (exclusive; `None`: the end).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Slice {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Option<Vec<u8>>,
}

impl Slice {
    /// Whether it holds no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    /// Whether `key` lies in it.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        key >= self.from.as_slice() && self.to.as_ref().is_none_or(|to| key < to.as_slice())
    }

    /// Moves the end down to `to`, never up.
    pub(crate) fn lower(&mut self, to: Vec<u8>) {
        self.to = Some(match self.to.take() {
            Some(old) => old.min(to),
            None => to,
        });
    }

    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let to = self.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Included(self.from.as_slice()), to)
    }
}

/// One partition.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// The components of its key.
    pub(crate) key: Vec<Vec<u8>>,
    /// Everything up to this timestamp is gone.
    deleted_at: i64,
    /// Rows in these slices up to these timestamps are gone.
    ranges: Vec<(Slice, i64)>,
    /// Static cells.
    pub(crate) statics: Cells,
    rows: BTreeMap<Vec<u8>, Row>,
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The clustering values.
    pub(crate) clustering: Vec<Vec<u8>>,
    deleted_at: i64,
    /// Set by INSERT, so that a row without cells exists.
    marker: Option<Cell>,
    /// Regular cells.
    pub(crate) cells: Cells,
}

impl Row {
    fn new(clustering: Vec<Vec<u8>>) -> Self {
        Self { clustering, deleted_at: NEVER, marker: None, cells: Cells::default() }
    }

    /// Whether a reader sees it at `now` (seconds).
    pub(crate) fn is_live(&self, now: i64) -> bool {
        self.marker.as_ref().is_some_and(|marker| marker.live(now).is_some())
            || self.cells.any_live(now)
    }

    /// Marks it as inserted.
    pub(crate) fn mark(&mut self, cell: Cell) {
        match &mut self.marker {
            Some(marker) => marker.merge(cell),
            None => self.marker = Some(cell),
        }
    }

    fn delete(&mut self, timestamp: i64) {
        self.deleted_at = self.deleted_at.max(timestamp);
        self.cells.delete(timestamp);
        self.marker.take_if(|marker| marker.timestamp <= timestamp);
    }
}

impl Partition {
    pub(crate) fn new(key: Vec<Vec<u8>>) -> Self {
        Self {
            key,
            deleted_at: NEVER,
            ranges: Vec::new(),
            statics: Cells::default(),
            rows: BTreeMap::new(),
        }
    }

    /// Whether the partition was deleted at or after `timestamp`.
    pub(crate) fn is_deleted_at(&self, timestamp: i64) -> bool {
        timestamp <= self.deleted_at
    }

    /// The row to write to at `timestamp`; `None` when a newer deletion covers it.
    pub(crate) fn row_mut(
        &mut self,
        sort: &[u8],
        clustering: &[Vec<u8>],
        timestamp: i64,
    ) -> Option<&mut Row> {
        let covered =
            |(slice, deleted): &(Slice, i64)| timestamp <= *deleted && slice.contains(sort);
        if self.is_deleted_at(timestamp) || self.ranges.iter().any(covered) {
            return None;
        }
        let row = self.rows.entry(sort.to_vec()).or_insert_with(|| Row::new(clustering.to_vec()));
        (timestamp > row.deleted_at).then_some(row)
    }

    /// Deletes everything up to `timestamp`.
    pub(crate) fn delete(&mut self, timestamp: i64) {
        self.deleted_at = self.deleted_at.max(timestamp);
        self.statics.delete(timestamp);
        self.rows.retain(|_, row| {
            row.delete(timestamp);
            row.deleted_at > timestamp || row.marker.is_some() || !row.cells.is_empty()
        });
        self.ranges.retain(|(_, deleted)| *deleted > timestamp);
    }

    /// Deletes one row.
    pub(crate) fn delete_row(&mut self, sort: &[u8], clustering: &[Vec<u8>], timestamp: i64) {
        if let Some(row) = self.row_mut(sort, clustering, timestamp) {
            row.delete(timestamp);
        }
    }

    /// Deletes the rows of a slice.
    pub(crate) fn delete_slice(&mut self, slice: Slice, timestamp: i64) {
        if slice.is_empty() {
            return;
        }
        self.rows.range_mut::<[u8], _>(slice.bounds()).for_each(|(_, row)| row.delete(timestamp));
        if self.ranges.len() >= RANGES_MAX {
            self.ranges.remove(0);
        }
        self.ranges.retain(|(old, deleted)| *old != slice || *deleted > timestamp);
        self.ranges.push((slice, timestamp));
    }

    /// One row, live or not.
    pub(crate) fn row(&self, sort: &[u8]) -> Option<&Row> {
        self.rows.get(sort)
    }

    /// The live rows of a slice with their sort keys, in clustering order or against it.
    pub(crate) fn live_rows<'a>(
        &'a self,
        slice: &Slice,
        reversed: bool,
        now: i64,
    ) -> Box<dyn Iterator<Item = (&'a [u8], &'a Row)> + 'a> {
        if slice.is_empty() {
            return Box::new(std::iter::empty());
        }
        let live = move |(sort, row): (&'a Vec<u8>, &'a Row)| {
            row.is_live(now).then_some((sort.as_slice(), row))
        };
        let range = self.rows.range::<[u8], _>(slice.bounds());
        if reversed {
            Box::new(range.rev().filter_map(live))
        } else {
            Box::new(range.filter_map(live))
        }
    }
}

/// One row as a reader sees it: a row with its partition, or a partition with static cells only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) token: i64,
    pub(crate) partition: &'a Partition,
    pub(crate) row: Option<&'a Row>,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

impl View<'_> {
    /// The value of the column at `position` of its table.
    pub(crate) fn value(&self, position: usize, column: &Column) -> Option<Vec<u8>> {
        use crate::store::definitions::schema::ColumnKind as Kind;
        match column.kind {
            Kind::PartitionKey => self.partition.key.get(position).cloned(),
            Kind::Clustering => {
                let at = position.checked_sub(self.partition.key.len())?;
                self.row?.clustering.get(at).cloned()
            }
            Kind::Static => self.partition.statics.value(column, self.now),
            Kind::Regular => self.row?.cells.value(column, self.now),
        }
    }

    /// The cells that hold the column.
    pub(crate) fn cells(&self, column: &Column) -> Option<&Cells> {
        use crate::store::definitions::schema::ColumnKind as Kind;
        match column.kind {
            Kind::PartitionKey | Kind::Clustering => None,
            Kind::Static => Some(&self.partition.statics),
            Kind::Regular => Some(&self.row?.cells),
        }
    }
}
