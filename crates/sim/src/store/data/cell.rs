//! Cells: values with timestamps, of which the newest wins.

use std::collections::BTreeMap;

use crate::cql::values::elements;
use crate::cql::values::sort_key;
use crate::store::definitions::schema::Column;
use cql::values::column_type::ColumnType;

/// No deletion: older than any timestamp.
pub(crate) const NEVER: i64 = i64::MIN;

/// One value, or the mark that it was deleted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Cell {
    /// `None`: deleted.
    pub(crate) value: Option<Vec<u8>>,
    /// Microseconds.
    pub(crate) timestamp: i64,
    /// When it expires, in seconds since 1970, and the time to live it was written with.
    pub(crate) expiry: Option<(i64, i32)>,
}

impl Cell {
    /// The value, unless it is deleted or expired at `now` (seconds).
    pub(crate) fn live(&self, now: i64) -> Option<&[u8]> {
        if self.expiry.is_some_and(|(expires, _)| expires <= now) {
            return None;
        }
        self.value.as_deref()
    }

    /// Keeps the newer of two; a deletion wins a tie, then the greater value.
    pub(crate) fn merge(&mut self, other: Self) {
        let rank = |cell: &Self| (cell.timestamp, cell.value.is_none());
        let wins =
            rank(&other) > rank(self) || (rank(&other) == rank(self) && other.value > self.value);
        if wins {
            *self = other;
        }
    }
}

/// A collection by part: sort key → key of the part, cell.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Parts {
    /// Parts up to this timestamp are gone.
    pub(crate) deleted_at: Option<i64>,
    /// Elements in order. The key is the element of a set, the key of a map, nothing in a list.
    pub(crate) entries: BTreeMap<Vec<u8>, (Vec<u8>, Cell)>,
}

impl Parts {
    /// Forgets all parts up to `timestamp`.
    pub(crate) fn delete(&mut self, timestamp: i64) {
        self.deleted_at = self.deleted_at.max(Some(timestamp));
        self.entries.retain(|_, (_, cell)| cell.timestamp > timestamp);
    }

    /// Writes one part.
    pub(crate) fn put(&mut self, sort: Vec<u8>, key: Vec<u8>, cell: Cell) {
        if self.deleted_at.is_some_and(|deleted| cell.timestamp <= deleted) {
            return;
        }
        match self.entries.get_mut(&sort) {
            Some((_, present)) => present.merge(cell),
            None => {
                self.entries.insert(sort, (key, cell));
            }
        }
    }

    /// Live parts in order: key, value.
    pub(crate) fn live(&self, now: i64) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.values().filter_map(move |(key, cell)| Some((key.as_slice(), cell.live(now)?)))
    }
}

/// The cells of one row by column id.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Cells {
    whole: BTreeMap<u32, Cell>,
    parts: BTreeMap<u32, Parts>,
}

impl Cells {
    /// Writes a whole column; a collection loses its former parts.
    pub(crate) fn put(&mut self, column: &Column, cell: Cell) {
        if column.is_multi_cell() {
            self.put_collection(column, &cell);
            return;
        }
        match self.whole.get_mut(&column.id) {
            Some(present) => present.merge(cell),
            None => {
                self.whole.insert(column.id, cell);
            }
        }
    }

    /// A new collection: all before it is deleted one microsecond earlier.
    fn put_collection(&mut self, column: &Column, cell: &Cell) {
        let parts = self.parts_mut(column);
        parts.delete(cell.timestamp.saturating_sub(i64::from(cell.value.is_some())));
        if let Some(value) = &cell.value {
            for (sort, key, value) in split(column, value) {
                parts.put(sort, key, Cell { value: Some(value), ..cell.clone() });
            }
        }
    }

    /// The parts of a column, to write to.
    pub(crate) fn parts_mut(&mut self, column: &Column) -> &mut Parts {
        self.parts.entry(column.id).or_default()
    }

    /// The one cell of a column.
    pub(crate) fn cell(&self, column: &Column) -> Option<&Cell> {
        self.whole.get(&column.id)
    }

    /// Whether nothing was ever written, or all of it is forgotten.
    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.parts.values().all(|parts| parts.entries.is_empty())
    }

    /// Forgets everything up to `timestamp`.
    pub(crate) fn delete(&mut self, timestamp: i64) {
        self.whole.retain(|_, cell| cell.timestamp > timestamp);
        self.parts.values_mut().for_each(|parts| parts.delete(timestamp));
    }

    /// The serialized value of a column at `now` (seconds).
    pub(crate) fn value(&self, column: &Column, now: i64) -> Option<Vec<u8>> {
        if column.is_multi_cell() {
            return join(column, self.parts.get(&column.id)?, now);
        }
        self.whole.get(&column.id)?.live(now).map(<[u8]>::to_vec)
    }

    /// Whether any cell is live.
    pub(crate) fn any_live(&self, now: i64) -> bool {
        self.whole.values().any(|cell| cell.live(now).is_some())
            || self.parts.values().any(|parts| parts.live(now).next().is_some())
    }
}

/// Sort key, key and value of each part of a serialized collection.
fn split(column: &Column, value: &[u8]) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let elements = |parts| elements::split(value, parts).unwrap_or_default();
    if let ColumnType::Set(element) = &column.column_type {
        let parts = elements(1).into_iter();
        return parts.map(|p| (sort_key::key(element, p), p.to_vec(), Vec::new())).collect();
    }
    if let ColumnType::Map(key, _) = &column.column_type {
        let pair_of = |pair: &[&[u8]]| {
            let (name, value) = (*pair.first()?, *pair.last()?);
            Some((sort_key::key(key, name), name.to_vec(), value.to_vec()))
        };
        return elements(2).chunks_exact(2).filter_map(pair_of).collect();
    }
    if let ColumnType::Udt { .. } = &column.column_type {
        let fields = elements::split_fields(value).unwrap_or_default();
        let field_of = |(field, at): (Option<&[u8]>, u16)| {
            let at = at.to_be_bytes().to_vec();
            Some((at.clone(), at, field?.to_vec()))
        };
        return fields.into_iter().zip(0u16..).filter_map(field_of).collect();
    }
    let parts = elements(1).into_iter().zip(0u64..);
    parts.map(|(part, at)| (list_position(0, at), Vec::new(), part.to_vec())).collect()
}

/// The sort key of a list element: `serial` is 0 for a list written as a whole, greater for what
/// was appended and less for what was prepended; `at` counts within one write.
pub(crate) fn list_position(serial: i64, at: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(16);
    let biased = u64::from_be_bytes(serial.to_be_bytes()) ^ 1 << 63;
    key.extend_from_slice(&biased.to_be_bytes());
    key.extend_from_slice(&at.to_be_bytes());
    key
}

/// The serialized collection of its live parts; none left is null.
fn join(column: &Column, parts: &Parts, now: i64) -> Option<Vec<u8>> {
    let live: Vec<(&[u8], &[u8])> = parts.live(now).collect();
    if live.is_empty() {
        return None;
    }
    let count = live.len();
    if let ColumnType::Set(_) = &column.column_type {
        return Some(elements::join(count, live.into_iter().map(|(key, _)| key)));
    }
    if let ColumnType::Map(..) = &column.column_type {
        let flat = live.into_iter().flat_map(|(key, value)| [key, value]);
        return Some(elements::join(count, flat));
    }
    if let ColumnType::Udt { fields, .. } = &column.column_type {
        let field = |at: u16| live.iter().find(|(key, _)| *key == at.to_be_bytes());
        let fields = fields.iter().zip(0u16..);
        let values = fields.map(|(_, at)| field(at).map(|(_, value)| *value));
        return Some(elements::join_fields(values));
    }
    Some(elements::join(count, live.into_iter().map(|(_, value)| value)))
}
