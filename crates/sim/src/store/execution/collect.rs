//! Additions to collections and counters, and removals.

use crate::cql::values::elements;
use crate::cql::values::sort_key;
use crate::store::data::cell::Cell;
use crate::store::data::cell::Cells;
use crate::store::data::cell::list_position;
use crate::store::definitions::schema::Column;
use cql::values::column_type::ColumnType;

/// When cells are written and when they expire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) timestamp: i64,
    pub(crate) ttl: i32,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

impl Stamp {
    /// A cell with this stamp; deletions don't expire.
    pub(crate) fn cell(self, value: Option<Vec<u8>>) -> Cell {
        let expires = (self.ttl > 0 && value.is_some())
            .then(|| (self.now.saturating_add(i64::from(self.ttl)), self.ttl));
        Cell { value, timestamp: self.timestamp, expiry: expires }
    }
}

/// Adds the bigint in `bytes` to a counter, or subtracts it.
pub(crate) fn count(
    cells: &mut Cells,
    column: &Column,
    bytes: &[u8],
    subtract: bool,
    stamp: Stamp,
) {
    let long = |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |b| i64::from_be_bytes(*b));
    let before = cells.cell(column).and_then(|cell| cell.live(stamp.now)).map_or(0, long);
    let change = if subtract { long(bytes).wrapping_neg() } else { long(bytes) };
    let after = before.wrapping_add(change).to_be_bytes().to_vec();
    // Counters add up regardless of timestamps.
    let newest = cells.cell(column).map_or(stamp.timestamp, |c| c.timestamp.max(stamp.timestamp));
    let stamp = Stamp { timestamp: newest.saturating_add(1), ..stamp };
    cells.put(column, stamp.cell(Some(after)));
}

/// Adds the elements of a serialized collection. `serial` orders those of lists; a negative one
/// puts them in front.
pub(crate) fn add(cells: &mut Cells, column: &Column, bytes: &[u8], serial: i64, stamp: Stamp) {
    let is_map = matches!(column.column_type, ColumnType::Map(..));
    let values = elements::split(bytes, if is_map { 2 } else { 1 }).unwrap_or_default();
    let parts = cells.parts_mut(column);
    if let ColumnType::Set(element) = &column.column_type {
        for value in values {
            let cell = stamp.cell(Some(Vec::new()));
            parts.put(sort_key::key(element, value), value.to_vec(), cell);
        }
    } else if let ColumnType::Map(key_type, _) = &column.column_type {
        for pair in values.chunks_exact(2) {
            if let [key, value] = pair {
                let cell = stamp.cell(Some(value.to_vec()));
                parts.put(sort_key::key(key_type, key), key.to_vec(), cell);
            }
        }
    } else {
        for (value, at) in values.into_iter().zip(0u64..) {
            let cell = stamp.cell(Some(value.to_vec()));
            parts.put(list_position(serial, at), Vec::new(), cell);
        }
    }
}

/// Removes elements, or keys of a map.
pub(crate) fn remove(cells: &mut Cells, column: &Column, bytes: &[u8], stamp: Stamp) {
    let values = elements::split(bytes, 1).unwrap_or_default();
    let parts = cells.parts_mut(column);
    if let ColumnType::Set(key_type) | ColumnType::Map(key_type, _) = &column.column_type {
        for value in values {
            parts.put(sort_key::key(key_type, value), value.to_vec(), stamp.cell(None));
        }
        return;
    }
    let gone = parts.entries.iter().filter(|(_, (_, cell))| {
        cell.value.as_deref().is_some_and(|value| values.contains(&value))
    });
    let gone: Vec<Vec<u8>> = gone.map(|(sort, _)| sort.clone()).collect();
    for sort in gone {
        parts.put(sort, Vec::new(), stamp.cell(None));
    }
}
