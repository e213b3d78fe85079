//! Shapes of texts that were seen often: prepared once, and bounded by their number and bytes.
//!
//! Soft state like the catalog's, and apart from it: however many shapes there are, no statement that
//! a client prepared is forgotten for one. What a shape was given up for is kept with it, until its
//! table changes.
//!
//! A shape is prepared in two steps. One node is asked for the types of its markers; then every node is
//! asked to prepare it with these types written before the markers ([`cql::statement::shape`]), which
//! a node refuses once a column has another type. The id of a shape that runs thus stands for types
//! that the node itself holds columns to, however late its changes are heard of.

pub mod known;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::mem;
use std::sync::Arc;

use foldhash::fast::{FixedState, RandomState};

use crate::collections::slab::{Slab, SlabKey};
use crate::routing::shapes::known::{
    Known, PrepareOutcome, PrepareRefusal, PreparedShape, Preparing, ShapeState,
};
use cql::values::column_type::ColumnType;

/// A shape is prepared when it was seen so often…
const SEEN_MIN: u8 = 8;
/// …within this time, µs.
const SEEN_WITHIN_US: u64 = 60_000_000;
/// Shapes that are counted before they are prepared; two that share a place take it from each other.
const PLACES: usize = 4_096;
/// Shapes at most. Servers keep prepared statements in a cache of a bounded size.
pub const SHAPES_MAX: usize = 4_096;
/// Shapes that wait for nodes at the same time.
const PREPARING_MAX: usize = 64;
/// One part in this many is forgotten at a time when there is no room.
const EVICTED_PART: usize = 16;
/// A shape that nodes forgot so often is given up…
const FORGOTTEN_MAX: u64 = 4;
/// …if fewer requests than this came between: its node's cache is too small.
const RUNS_BETWEEN: u64 = 1_000;
/// A shape whose reads nodes refuse so often…
const REFUSED_MAX: u64 = 8;
/// …within so many runs is put off. One client's value that is not allowed is no fault of the shape.
const REFUSED_WITHIN: u64 = 16;

/// Names a shape.
pub type ShapeKey = SlabKey<Known>;

/// What is known of the shapes of texts.
#[derive(Debug)]
pub struct Shapes {
    by_text: HashMap<Arc<str>, ShapeKey, RandomState>,
    entries: Slab<Known>,
    /// Empty until the first text.
    places: Vec<Place>,
    preparing: usize,
    bytes: usize,
    bytes_max: usize,
    uses: u64,
    /// Changes of tables are not heard of.
    is_unwatched: bool,
}

/// What became of a shape by an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShapeChange {
    /// It is as it was.
    None,
    /// It may be run from now on.
    Prepared,
    /// It was given up, for a while or until its table changes.
    GivenUp,
}

/// What to do with a text.
#[derive(Debug)]
pub enum Found<'a> {
    /// Run its shape.
    Prepared(&'a PreparedShape),
    /// Send it as it is, and ask a node for the types of its shape.
    Wanted,
    /// Send it as it is, and have its shape prepared with these types.
    Typed(&'a [ColumnType]),
    /// Send it as it is.
    Text,
}

/// A count of one shape.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    hash: u64,
    count: u8,
    since_us: u64,
}

impl Shapes {
    /// Nothing; it takes `bytes_max` at most.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            by_text: HashMap::default(),
            entries: Slab::default(),
            places: Vec::new(),
            preparing: 0,
            bytes: 0,
            bytes_max,
            uses: 0,
            is_unwatched: false,
        }
    }

    /// Takes `bytes_max` at most from now on.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.make_room();
    }

    /// Runs none while changes of tables are not heard of.
    pub fn set_watched(&mut self, is_watched: bool) {
        self.is_unwatched = !is_watched;
    }

    /// What to do with a text of this shape.
    pub fn find(&mut self, text: &str, now_us: u64) -> Found<'_> {
        if self.is_unwatched {
            return Found::Text;
        }
        let has_turn = self.preparing < PREPARING_MAX;
        let Some(key) = self.by_text.get(text).copied() else {
            let is_wanted = self.count(text, now_us) && has_turn;
            return if is_wanted { Found::Wanted } else { Found::Text };
        };
        self.uses += 1;
        let Some(known) = self.entries.get_mut(key) else { return Found::Text };
        known.used = self.uses;
        match &known.state {
            ShapeState::Prepared(prepared) => {
                known.runs += 1;
                Found::Prepared(prepared)
            }
            ShapeState::Typed(types) if has_turn => Found::Typed(types),
            ShapeState::PutOff(until_us) if has_turn && now_us >= *until_us => Found::Wanted,
            ShapeState::Typed(_)
            | ShapeState::PutOff(_)
            | ShapeState::Preparing(_)
            | ShapeState::GivenUp => Found::Text,
        }
    }

    /// Counts a shape; whether it was seen often enough.
    fn count(&mut self, text: &str, now_us: u64) -> bool {
        if self.places.is_empty() {
            self.places.resize(PLACES, Place::default());
        }
        let (hash, at) = place_of(text);
        let Some(place) = self.places.get_mut(at) else { return false };
        let is_old = now_us.saturating_sub(place.since_us) > SEEN_WITHIN_US;
        if place.count == 0 || is_old {
            *place = Place { hash, count: 1, since_us: now_us };
            return false;
        }
        if place.hash != hash {
            place.count -= 1;
            return false;
        }
        place.count = place.count.saturating_add(1);
        place.count >= SEEN_MIN
    }

    /// Takes a shape of a table, for whose types one node is about to be asked.
    pub fn begin(&mut self, text: &str, keyspace: &str, table: &str) -> ShapeKey {
        self.uses += 1;
        self.preparing += 1;
        let state = ShapeState::Preparing(Preparing { left: 1, ..Preparing::default() });
        if let Some(key) = self.by_text.get(text).copied()
            && let Some(known) = self.entries.get_mut(key)
        {
            known.state = state;
            return key;
        }
        if let Some(place) = self.places.get_mut(place_of(text).1) {
            *place = Place::default();
        }
        let text: Arc<str> = text.into();
        let key = self.entries.insert(Known {
            text: Arc::clone(&text),
            keyspace: keyspace.into(),
            table: table.into(),
            state,
            weight: 0,
            used: self.uses,
            runs: 0,
            forgotten: 0,
            refused: 0,
            refused_since: 0,
            failures: 0,
        });
        self.by_text.insert(text, key);
        self.weigh(key);
        self.make_room();
        key
    }

    /// `nodes` nodes are about to be asked to prepare a shape with the types that were found; `None`
    /// when there are none.
    pub fn begin_typed(&mut self, text: &str, nodes: usize) -> Option<ShapeKey> {
        let key = *self.by_text.get(text)?;
        let known = self.entries.get_mut(key)?;
        let ShapeState::Typed(types) = &mut known.state else { return None };
        let types = Some(mem::take(types));
        known.state =
            ShapeState::Preparing(Preparing { left: nodes, types, ..Preparing::default() });
        self.preparing += 1;
        Some(key)
    }

    /// A node answered.
    pub fn on_answer(&mut self, key: ShapeKey, answer: PrepareOutcome, now_us: u64) -> ShapeChange {
        let Some(known) = self.entries.get_mut(key) else { return ShapeChange::None };
        let ShapeState::Preparing(preparing) = &mut known.state else { return ShapeChange::None };
        preparing.left = preparing.left.saturating_sub(1);
        let refusal = match answer {
            PrepareOutcome::Lost => None,
            PrepareOutcome::Refused(refusal) => Some(refusal),
            // Nodes differ while a change of the schema spreads.
            PrepareOutcome::Prepared(prepared) => match &preparing.found {
                Some(found) if *found != prepared => Some(PrepareRefusal::ForNow),
                Some(_) | None => {
                    preparing.found = Some(prepared);
                    None
                }
            },
        };
        preparing.refusal = preparing.refusal.max(refusal);
        if preparing.left > 0 {
            return ShapeChange::None;
        }
        self.preparing -= 1;
        let Preparing { types, found, refusal, .. } = mem::take(preparing);
        let turn = match (refusal, found, types) {
            (Some(PrepareRefusal::Final), ..) => {
                known.state = ShapeState::GivenUp;
                ShapeChange::GivenUp
            }
            (None, Some(found), None) => {
                known.state = ShapeState::Typed(found.kinds);
                ShapeChange::None
            }
            (None, Some(found), Some(types)) if found.kinds == types => {
                known.failures = 0;
                known.state = ShapeState::Prepared(found);
                ShapeChange::Prepared
            }
            (Some(PrepareRefusal::ForNow), ..) | (None, Some(_), Some(_)) => {
                known.put_off(now_us);
                ShapeChange::GivenUp
            }
            (None, None, _) => {
                known.state = ShapeState::GivenUp;
                self.remove(key);
                return ShapeChange::None;
            }
        };
        self.weigh(key);
        self.make_room();
        turn
    }

    /// A node had forgotten a shape: it may be asked to prepare it again with these types, and until
    /// then its texts are sent. `None` when it is not to be asked.
    pub fn on_forgotten(&mut self, text: &str) -> Option<(ShapeKey, Box<[ColumnType]>)> {
        let key = *self.by_text.get(text)?;
        let known = self.entries.get_mut(key)?;
        let ShapeState::Prepared(prepared) = &known.state else { return None };
        known.forgotten += 1;
        if known.forgotten >= FORGOTTEN_MAX && known.runs / known.forgotten < RUNS_BETWEEN {
            known.state = ShapeState::GivenUp;
            return None;
        }
        // Another table by the same name may have other types.
        let (types, found) = (prepared.kinds.clone(), Some(prepared.clone()));
        let preparing = Preparing { left: 1, types: Some(types.clone()), found, refusal: None };
        known.state = ShapeState::Preparing(preparing);
        self.preparing += 1;
        Some((key, types))
    }

    /// A node refused a value that it was run with.
    pub fn on_refused(&mut self, text: &str, now_us: u64) -> ShapeChange {
        let key = self.by_text.get(text).copied();
        let Some(known) = key.and_then(|key| self.entries.get_mut(key)) else {
            return ShapeChange::None;
        };
        let ShapeState::Prepared(_) = known.state else { return ShapeChange::None };
        if known.runs - known.refused_since > REFUSED_WITHIN {
            (known.refused, known.refused_since) = (0, known.runs);
        }
        known.refused += 1;
        if known.refused < REFUSED_MAX {
            return ShapeChange::None;
        }
        (known.refused, known.refused_since) = (0, known.runs);
        known.put_off(now_us);
        ShapeChange::GivenUp
    }

    /// The types of a shape cannot be named: it stays text. `false` when it does already.
    pub fn give_up(&mut self, text: &str) -> bool {
        let key = self.by_text.get(text).copied();
        let Some(known) = key.and_then(|key| self.entries.get_mut(key)) else { return false };
        match mem::replace(&mut known.state, ShapeState::GivenUp) {
            ShapeState::Preparing(_) => self.preparing -= 1,
            ShapeState::Prepared(_) | ShapeState::Typed(_) | ShapeState::PutOff(_) => {}
            ShapeState::GivenUp => return false,
        }
        true
    }

    /// Forgets the shapes of a table, or of a keyspace when `None`.
    pub fn forget(&mut self, keyspace: &str, table: Option<&str>) {
        let is_it = |known: &Known| {
            *known.keyspace == *keyspace && table.is_none_or(|table| *known.table == *table)
        };
        let gone = self.entries.iter().filter(|(_, known)| is_it(known)).map(|(key, _)| key);
        for key in gone.collect::<Vec<_>>() {
            self.remove(key);
        }
    }

    /// Forgets all: it is not known which tables have changed.
    pub fn clear(&mut self) {
        for key in self.entries.keys() {
            self.remove(key);
        }
    }

    /// Number of shapes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that they take, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, key: ShapeKey) {
        let Some(known) = self.entries.remove(key) else { return };
        self.by_text.remove(&known.text);
        self.bytes -= known.weight;
        if let ShapeState::Preparing(_) = known.state {
            self.preparing -= 1;
        }
    }

    /// Takes in how much a shape takes as it is now.
    fn weigh(&mut self, key: ShapeKey) {
        let Some(known) = self.entries.get_mut(key) else { return };
        let weight = known.bytes();
        self.bytes = self.bytes - known.weight + weight;
        known.weight = weight;
    }

    fn make_room(&mut self) {
        while !self.is_empty() && (self.bytes > self.bytes_max || self.len() > SHAPES_MAX) {
            self.evict();
        }
    }

    /// Forgets a share of the shapes, those that were not seen for longest.
    fn evict(&mut self) {
        let mut uses: Vec<(u64, ShapeKey)> =
            self.entries.iter().map(|(key, known)| (known.used, key)).collect();
        uses.sort_unstable_by_key(|(used, _)| *used);
        let share = (uses.len() / EVICTED_PART).max(1);
        for (_, key) in uses.into_iter().take(share) {
            self.remove(key);
        }
    }
}

/// The hash of a shape, and the place where it is counted.
fn place_of(text: &str) -> (u64, usize) {
    let hash = FixedState::default().hash_one(text);
    (hash, usize::try_from(hash % PLACES as u64).unwrap_or(0))
}

#[cfg(test)]
mod tests;
