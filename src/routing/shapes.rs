//! Shapes of texts that were seen often: prepared once, and bounded by their number and bytes.
//!
//! Soft state like the catalog's, and apart from it: however many shapes there are, no statement that
//! a client prepared is forgotten for one. What a shape was given up for is kept with it, until its
//! table changes.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::mem;
use std::sync::Arc;

use foldhash::fast::{FixedState, RandomState};

use crate::collections::slab::{Key, Slab};
use cql::column_type::ColumnType;

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

/// Names a shape.
pub type ShapeKey = Key<Known>;

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
}

/// A shape that was seen often.
#[derive(Debug)]
pub struct Known {
    text: Arc<str>,
    /// Keyspace and table.
    table: (Box<str>, Box<str>),
    state: State,
    weight: usize,
    used: u64,
    /// How often it was run.
    runs: u64,
    /// How often a node had forgotten it.
    forgotten: u64,
}

#[derive(Debug)]
enum State {
    /// Nodes were asked to prepare it.
    Preparing(Preparing),
    /// It may be run.
    Prepared(Prepared),
    /// It stays text.
    GivenUp,
}

/// What nodes have answered so far.
#[derive(Debug, Default)]
struct Preparing {
    /// How many have not answered.
    left: usize,
    found: Option<Prepared>,
    is_refused: bool,
}

/// A shape as nodes prepared it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prepared {
    /// The servers' id.
    pub id: Box<[u8]>,
    /// The types of its markers.
    pub kinds: Box<[ColumnType]>,
    /// Whether the key is all markers: then a node reports the tablet of what goes astray.
    pub is_reported: bool,
}

/// What a node answered.
#[derive(Debug)]
pub enum Answer {
    /// It prepared the shape.
    Prepared(Prepared),
    /// It did not, or with a warning.
    Refused,
    /// Nothing: its lane is gone.
    Lost,
}

/// What became of a shape by an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It is as it was.
    None,
    /// It may be run from now on.
    Prepared,
    /// It was given up.
    GivenUp,
}

/// What to do with a text.
#[derive(Debug)]
pub enum Found<'a> {
    /// Run its shape.
    Prepared(&'a Prepared),
    /// Send it as it is, and prepare its shape.
    Wanted,
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
        }
    }

    /// Takes `bytes_max` at most from now on.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.make_room();
    }

    /// What to do with a text of this shape.
    pub fn find(&mut self, text: &str, now_us: u64) -> Found<'_> {
        let Some(key) = self.by_text.get(text).copied() else {
            let is_wanted = self.count(text, now_us) && self.preparing < PREPARING_MAX;
            return if is_wanted { Found::Wanted } else { Found::Text };
        };
        self.uses += 1;
        let Some(known) = self.entries.get_mut(key) else { return Found::Text };
        known.used = self.uses;
        match &known.state {
            State::Prepared(prepared) => {
                known.runs += 1;
                Found::Prepared(prepared)
            }
            State::Preparing(_) | State::GivenUp => Found::Text,
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

    /// Takes a shape of a table that `nodes` nodes are about to be asked to prepare.
    pub fn begin(&mut self, text: &str, table: (&str, &str), nodes: usize) -> ShapeKey {
        self.uses += 1;
        if let Some(place) = self.places.get_mut(place_of(text).1) {
            *place = Place::default();
        }
        let weight = 320 + 2 * text.len() + table.0.len() + table.1.len();
        let text: Arc<str> = text.into();
        let state = State::Preparing(Preparing { left: nodes, ..Preparing::default() });
        let key = self.entries.insert(Known {
            text: Arc::clone(&text),
            table: (table.0.into(), table.1.into()),
            state,
            weight,
            used: self.uses,
            runs: 0,
            forgotten: 0,
        });
        self.by_text.insert(text, key);
        self.preparing += 1;
        self.bytes += weight;
        self.make_room();
        key
    }

    /// A node answered.
    pub fn on_answer(&mut self, key: ShapeKey, answer: Answer) -> Turn {
        let Some(known) = self.entries.get_mut(key) else { return Turn::None };
        let State::Preparing(preparing) = &mut known.state else { return Turn::None };
        preparing.left = preparing.left.saturating_sub(1);
        match answer {
            Answer::Lost => {}
            Answer::Refused => preparing.is_refused = true,
            Answer::Prepared(prepared) => match &preparing.found {
                Some(found) if *found != prepared => preparing.is_refused = true,
                Some(_) | None => preparing.found = Some(prepared),
            },
        }
        if preparing.left > 0 {
            return Turn::None;
        }
        self.preparing -= 1;
        let Preparing { found, is_refused, .. } = mem::take(preparing);
        known.state = State::GivenUp;
        match found.filter(|_| !is_refused) {
            Some(prepared) => {
                let weight = prepared.id.len() + size_of_val(&*prepared.kinds);
                known.weight += weight;
                self.bytes += weight;
                known.state = State::Prepared(prepared);
                self.make_room();
                Turn::Prepared
            }
            None if is_refused => Turn::GivenUp,
            None => {
                self.remove(key);
                Turn::None
            }
        }
    }

    /// A node had forgotten a shape: it may be asked to prepare it again, and until then its texts
    /// are sent. `None` when it is not to be asked.
    pub fn on_forgotten(&mut self, text: &str) -> Option<ShapeKey> {
        let key = *self.by_text.get(text)?;
        let known = self.entries.get_mut(key)?;
        let State::Prepared(prepared) = &known.state else { return None };
        known.forgotten += 1;
        if known.forgotten >= FORGOTTEN_MAX && known.runs / known.forgotten < RUNS_BETWEEN {
            known.state = State::GivenUp;
            return None;
        }
        // Another table by the same name may have other types.
        let found = Some(prepared.clone());
        known.state = State::Preparing(Preparing { left: 1, found, is_refused: false });
        self.preparing += 1;
        Some(key)
    }

    /// A node refused what it had prepared: the shape stays text. `false` when it does already.
    pub fn give_up(&mut self, text: &str) -> bool {
        let key = self.by_text.get(text).copied();
        let Some(known) = key.and_then(|key| self.entries.get_mut(key)) else { return false };
        match mem::replace(&mut known.state, State::GivenUp) {
            State::Preparing(_) => self.preparing -= 1,
            State::Prepared(_) => {}
            State::GivenUp => return false,
        }
        true
    }

    /// Forgets the shapes of a table, or of a keyspace when `None`.
    pub fn forget(&mut self, keyspace: &str, table: Option<&str>) {
        let is_it = |known: &Known| {
            *known.table.0 == *keyspace && table.is_none_or(|table| *known.table.1 == *table)
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
        if let State::Preparing(_) = known.state {
            self.preparing -= 1;
        }
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
