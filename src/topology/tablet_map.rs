//! What one worker knows of the tablets: learned from replies, one at a time, updated in place.
//!
//! Nodes disagree for some 100 ms after a tablet has moved or was split, and nothing in a payload
//! says which is newer. A payload that equals what was replaced a moment ago is therefore taken
//! for the word of a node that lags, and ignored: the map settles instead of flapping. If the
//! tablet really went back, the same payload is believed once [`SETTLE_MS`] have passed. The price:
//! an old report of a range that comes first after the new one holds for that long.
//!
//! A table's tablets may also be read from the cluster's own tables. That takes a while, and a node
//! may report a tablet meanwhile: what was reported since the reading began wins.

use crate::topology::id::NodeId;
use crate::topology::table::TABLES_MAX;
use crate::topology::table::TableId;
use crate::topology::tablet::ReplicaList;
use crate::topology::tablet::Tablet;
use crate::topology::tablet_map::arena::Arena;
use crate::topology::tablet_map::heard::Heard;
use crate::topology::tablet_map::recent::ReplacedTablets;
use crate::topology::tablet_map::table_map::TableMap;
use cql::token::token::Token;

mod arena;
mod grid;
mod heard;
mod ranges;
mod recent;
mod table_map;

/// How long a replaced tablet is not believed again. Nodes of a live cluster were seen to disagree
/// for up to 300 ms; tablets don't move back and forth within a second.
pub const SETTLE_MS: u64 = 1_000;

/// Most replicas of a tablet. More would be a broken payload.
pub const REPLICAS_MAX: usize = 64;

/// Places that are looked at for one part of a table's tablets, see [`TabletMap::part`].
pub const PART_SLOTS: usize = 256;

/// What the grids of all tables may take before any tablet is known, in units of 32 bytes,
/// and for each tablet that is known: a table of which little is known takes more than it needs.
const UNITS_FREE: usize = 1 << 17;
const UNITS_PER_TABLET: usize = 3;

/// Token → replicas, for every table with tablets.
#[derive(Debug)]
pub struct TabletMap {
    /// Indexed by table; a table without tablets is empty.
    tables: Vec<TableMap>,
    arena: Arena,
    recent: ReplacedTablets,
    heard: Heard,
    len: usize,
    /// What the grids of all tables take of the arena, in units.
    weight: usize,
    entries_max: usize,
    /// The table whose tablets are dropped next when there is no room.
    hand: usize,
    evicted_count: u64,
}

/// What became of a tablet that a node reported.
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

/// What became of tablets that were read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Filled {
    /// Those that were new or replaced others.
    pub taken: usize,
    /// Those that were not taken, since a node reported their range after the reading had begun, or another in
    /// their place a moment ago.
    pub outdated: usize,
    /// Those of them that were replaced a moment ago: the reading is either older than that, or shows that they
    /// are back, and another one has to say which.
    pub unsettled: usize,
}

impl TabletMap {
    /// Creates a map that holds at most `entries_max` tablets of all tables together.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self {
            tables: Vec::new(),
            arena: Arena::new(units_max(entries_max, entries_max)),
            recent: ReplacedTablets::default(),
            heard: Heard::default(),
            len: 0,
            weight: 0,
            entries_max,
            hand: 0,
            evicted_count: 0,
        }
    }

    /// Learns a tablet that a node reported at `now_ms` (of a clock that never goes back).
    ///
    /// It replaces every tablet that it overlaps, wholly or partly: tablets of a table never
    /// overlap, so each of those is gone. When there is no room, some hundred tablets of one table
    /// are dropped, each table in its turn: tablets in use are soon learned again, and a table that
    /// is no longer used gives its room to others.
    pub fn learn(&mut self, table: TableId, tablet: Tablet, now_ms: u64) -> Learned {
        let Some(index) = table_index(table).filter(|_| makes_sense(&tablet)) else {
            return Learned::Refused;
        };
        if self.entries_max == 0 {
            return Learned::Refused;
        }
        let is_known = self.holds(index, &tablet);
        self.recent.expire(now_ms, SETTLE_MS);
        if !is_known && self.recent.holds(table, &tablet) {
            return Learned::Stale;
        }
        self.heard.note(table, (tablet.first, tablet.last), now_ms);
        if is_known {
            return Learned::Same;
        }
        let Some(replaced) = self.put(index, tablet) else { return Learned::Refused };
        let learned = if replaced.is_empty() { Learned::New } else { Learned::Changed };
        for old in replaced {
            self.recent.remember(table, old, now_ms);
        }
        learned
    }

    /// Takes tablets that were read from the cluster's own tables since `began_ms`. What a node
    /// reported about a range since then wins, and so does what replaced the same tablet a moment ago.
    pub fn fill(
        &mut self,
        table: TableId,
        tablets: impl IntoIterator<Item = Tablet>,
        began_ms: u64,
        now_ms: u64,
    ) -> Filled {
        let mut filled = Filled::default();
        let Some(index) = table_index(table).filter(|_| self.entries_max > 0) else {
            return filled;
        };
        self.recent.expire(now_ms, SETTLE_MS);
        let heard = self.heard.since(table, began_ms);
        for tablet in tablets.into_iter().filter(makes_sense) {
            if self.holds(index, &tablet) {
                continue;
            }
            let is_unsettled = self.recent.holds(table, &tablet);
            filled.unsettled += usize::from(is_unsettled);
            if is_unsettled || heard.overlaps(tablet.first, tablet.last) {
                filled.outdated += 1;
            } else if self.put(index, tablet).is_some() {
                filled.taken += 1;
            }
        }
        filled
    }

    /// Finds the replicas of `token`, if its tablet was learned.
    #[inline]
    #[must_use]
    pub fn locate(&self, table: TableId, token: Token) -> Option<ReplicaList<'_>> {
        self.tables.get(usize::try_from(table.0).ok()?)?.locate(&self.arena, token.value())
    }

    /// Drops the tablets of a table that was dropped, or made anew under the same name.
    pub fn forget_table(&mut self, table: TableId) {
        self.recent.forget_table(table);
        self.heard.forget_table(table);
        if let Some(index) = table_index(table) {
            self.change(index, TableMap::clear);
        }
    }

    /// Drops the tablets that name a node which has left: no reply would ever correct them.
    /// Returns their number.
    pub fn forget_node(&mut self, node: NodeId) -> usize {
        let tables = self.tables.len();
        let drop_of = |index| self.change(index, |known, arena| known.drop_naming(arena, node));
        (0..tables).filter_map(drop_of).sum()
    }

    /// Counts the tablets of all tables.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was learned yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Counts the tablets of one table.
    #[must_use]
    pub fn table_len(&self, table: TableId) -> usize {
        table_index(table).and_then(|index| self.tables.get(index)).map_or(0, TableMap::len)
    }

    /// Lists the tablets of one table in token order.
    pub fn tablets(&self, table: TableId) -> impl Iterator<Item = Tablet> + '_ {
        let known = table_index(table).and_then(|index| self.tables.get(index));
        known.into_iter().flat_map(|known| known.tablets(&self.arena))
    }

    /// Lists some tablets of one table that end behind `after`, in token order, and the token to go on behind:
    /// `i64::MAX` when there is no more. It looks at some [`PART_SLOTS`] places, however many the table has.
    #[must_use]
    pub fn part(&self, table: TableId, after: i64) -> (Vec<Tablet>, i64) {
        let known = table_index(table).and_then(|index| self.tables.get(index));
        known.map_or((Vec::new(), i64::MAX), |known| known.part(&self.arena, after, PART_SLOTS))
    }

    /// Counts the tablets that were dropped for lack of room.
    #[must_use]
    pub const fn evicted_count(&self) -> u64 {
        self.evicted_count
    }

    /// Estimates the heap it takes. Looks at every tablet: not for the road.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let tables = self.tables.capacity() * size_of::<TableMap>();
        let known: usize = self.tables.iter().map(TableMap::memory_bytes).sum();
        let memory = self.recent.memory_bytes() + self.heard.memory_bytes();
        tables + known + self.arena.memory_bytes() + memory
    }

    /// Whether exactly this tablet is known.
    fn holds(&self, index: usize, tablet: &Tablet) -> bool {
        self.tables.get(index).is_some_and(|known| known.holds(&self.arena, tablet))
    }

    /// Puts a tablet in its place; returns those that it replaced.
    fn put(&mut self, index: usize, tablet: Tablet) -> Option<Vec<Tablet>> {
        if self.tables.len() <= index {
            self.tables.resize_with(index + 1, TableMap::default);
        }
        let replaced =
            self.change(index, |known, arena| known.cut(arena, tablet.first, tablet.last))?;
        self.make_room();
        let weight_max = self.weight_max(index);
        self.change(index, |known, arena| known.add(arena, tablet, weight_max));
        Some(replaced)
    }

    /// Drops tablets until there is room for one more.
    fn make_room(&mut self) {
        while self.len >= self.entries_max && self.len > 0 {
            self.hand = if self.hand < self.tables.len() { self.hand } else { 0 };
            let dropped = self.change(self.hand, TableMap::drop_some).unwrap_or_default();
            self.evicted_count += dropped as u64;
            self.hand += 1;
        }
    }

    /// What the grids of a table may take of the arena.
    fn weight_max(&self, index: usize) -> usize {
        let own = self.tables.get(index).map_or(0, TableMap::weight);
        units_max(self.entries_max, self.len).saturating_sub(self.weight - own)
    }

    /// Changes a table, and counts what it then has.
    fn change<T>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut TableMap, &mut Arena) -> T,
    ) -> Option<T> {
        let known = self.tables.get_mut(index)?;
        let (len, weight) = (known.len(), known.weight());
        let done = act(known, &mut self.arena);
        self.len = self.len - len + known.len();
        self.weight = self.weight - weight + known.weight();
        Some(done)
    }
}

/// What all grids may take of the arena when so many tablets are known.
fn units_max(entries_max: usize, len: usize) -> usize {
    let free = UNITS_FREE.min(entries_max.saturating_mul(2));
    len.saturating_mul(UNITS_PER_TABLET).saturating_add(free)
}

fn table_index(table: TableId) -> Option<usize> {
    usize::try_from(table.0).ok().filter(|index| *index < TABLES_MAX)
}

fn makes_sense(tablet: &Tablet) -> bool {
    let count = tablet.replicas.list().len();
    tablet.first < tablet.last && (1..=REPLICAS_MAX).contains(&count)
}

#[cfg(test)]
mod tests;
