//! What one worker knows of the tablets: learned from replies, one at a time, updated in place.
//!
//! Nodes disagree for some 100 ms after a tablet has moved or was split, and nothing in a payload
//! tells which is newer. A payload that equals what was replaced a moment ago is therefore taken
//! for the word of a node that lags, and ignored: the map settles instead of flapping. If the
//! tablet really went back, the same payload is believed once [`SETTLE_MS`] have passed. The price:
//! an old word about a range whose new one came first, never heard before, holds for that long.

use crate::token::token::Token;
use crate::topology::id::NodeId;
use crate::topology::table::TABLES_MAX;
use crate::topology::table::TableId;
use crate::topology::tablet::Replicas;
use crate::topology::tablet::Tablet;
use crate::topology::tablet_map::ranges::Ranges;
use crate::topology::tablet_map::recent::Recent;

mod ranges;
mod recent;

/// How long a replaced tablet is not believed again. Nodes of a live cluster were seen to disagree
/// for up to 300 ms; tablets don't move back and forth within a second.
pub const SETTLE_MS: u64 = 1_000;

/// Most replicas of a tablet. More would be a broken payload.
pub const REPLICAS_MAX: usize = 64;

/// Token → replicas, for every table with tablets.
#[derive(Debug)]
pub struct TabletMap {
    /// Indexed by table; a table without tablets is empty.
    tables: Vec<Ranges>,
    recent: Recent,
    len: usize,
    entries_max: usize,
    /// The table whose tablets are dropped next when there is no room.
    hand: usize,
    evicted_count: u64,
}

/// What became of a tablet that a node told us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Learned {
    /// Nothing was known of its range.
    New,
    /// It replaced one or more others.
    Changed,
    /// It was known already.
    Same,
    /// It was replaced a moment ago: a node lags. Ignored.
    Stale,
    /// It makes no sense: an empty range, no replicas or too many, an impossible table.
    Refused,
}

impl TabletMap {
    /// Creates a map that holds at most `entries_max` tablets of all tables together.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self {
            tables: Vec::new(),
            recent: Recent::default(),
            len: 0,
            entries_max,
            hand: 0,
            evicted_count: 0,
        }
    }

    /// Takes a tablet that a node told us at `now_ms` (of a clock that never goes back).
    ///
    /// It replaces every tablet that it overlaps, wholly or partly: tablets of a table never
    /// overlap, so each of those is gone. When there is no room, some hundred tablets of one table
    /// are dropped, each table in its turn: whoever is used is soon learned again, and a table that
    /// nobody uses any more gives its room to others.
    pub fn learn(&mut self, table: TableId, tablet: Tablet, now_ms: u64) -> Learned {
        let Some(index) = table_index(table).filter(|_| makes_sense(&tablet)) else {
            return Learned::Refused;
        };
        if self.entries_max == 0 {
            return Learned::Refused;
        }
        if self.tables.get(index).is_some_and(|ranges| ranges.holds(&tablet)) {
            return Learned::Same;
        }
        self.recent.expire(now_ms, SETTLE_MS);
        if self.recent.holds(table, &tablet) {
            return Learned::Stale;
        }

        if self.tables.len() <= index {
            self.tables.resize_with(index + 1, Ranges::default);
        }
        let Some(ranges) = self.tables.get_mut(index) else {
            return Learned::Refused;
        };
        let replaced = ranges.cut(tablet.first, tablet.last);
        self.len -= replaced.len();
        self.make_room();
        if let Some(ranges) = self.tables.get_mut(index) {
            ranges.add(tablet);
            self.len += 1;
        }
        let learned = if replaced.is_empty() { Learned::New } else { Learned::Changed };
        for old in replaced {
            self.recent.remember(table, old, now_ms);
        }
        learned
    }

    /// Finds the replicas of `token`, if its tablet was learned.
    #[inline]
    #[must_use]
    pub fn locate(&self, table: TableId, token: Token) -> Option<&Replicas> {
        self.tables.get(usize::try_from(table.0).ok()?)?.locate(token.value())
    }

    /// Drops the tablets of a table that was dropped, or made anew under the same name.
    pub fn forget_table(&mut self, table: TableId) {
        self.recent.forget_table(table);
        let index = table_index(table);
        if let Some(ranges) = index.and_then(|index| self.tables.get_mut(index)) {
            self.len -= ranges.len();
            *ranges = Ranges::default();
        }
    }

    /// Drops the tablets that name a node which has left: no reply would ever correct them.
    /// Returns their number.
    pub fn forget_node(&mut self, node: NodeId) -> usize {
        let mut dropped = 0;
        for ranges in &mut self.tables {
            dropped += ranges.drop_naming(node);
        }
        self.len -= dropped;
        dropped
    }

    /// Counts the tablets of all tables.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Tells whether nothing was learned yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Counts the tablets of one table.
    #[must_use]
    pub fn table_len(&self, table: TableId) -> usize {
        table_index(table).and_then(|index| self.tables.get(index)).map_or(0, Ranges::len)
    }

    /// Lists the tablets of one table in token order.
    pub fn tablets(&self, table: TableId) -> impl Iterator<Item = Tablet> + '_ {
        let ranges = table_index(table).and_then(|index| self.tables.get(index));
        ranges.into_iter().flat_map(Ranges::iter)
    }

    /// Counts the tablets that were dropped for lack of room.
    #[must_use]
    pub const fn evicted_count(&self) -> u64 {
        self.evicted_count
    }

    /// Estimates the heap it takes. Looks at every tablet: not for the road.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let tables = self.tables.capacity() * size_of::<Ranges>();
        let ranges: usize = self.tables.iter().map(Ranges::memory_bytes).sum();
        tables + ranges + self.recent.memory_bytes()
    }

    /// Drops tablets until there is room for one more.
    fn make_room(&mut self) {
        while self.len >= self.entries_max && self.len > 0 {
            self.hand = if self.hand < self.tables.len() { self.hand } else { 0 };
            if let Some(ranges) = self.tables.get_mut(self.hand) {
                let dropped = ranges.drop_some();
                self.len -= dropped;
                self.evicted_count += dropped as u64;
            }
            self.hand += 1;
        }
    }
}

fn table_index(table: TableId) -> Option<usize> {
    usize::try_from(table.0).ok().filter(|index| *index < TABLES_MAX)
}

fn makes_sense(tablet: &Tablet) -> bool {
    let count = tablet.replicas.as_slice().len();
    tablet.first < tablet.last && (1..=REPLICAS_MAX).contains(&count)
}

#[cfg(test)]
mod tests;
