//! One shape that was seen often: how far it is, and what nodes said of it.

use std::sync::Arc;

use cql::values::column_type::ColumnType;

/// A shape that could not be prepared for now is tried again after this time, µs…
pub(super) const WAIT_US: u64 = 1_000_000;
/// …which doubles each time, up to this.
pub(super) const WAIT_MAX_US: u64 = 300_000_000;

/// A shape that was seen often.
#[derive(Debug)]
pub struct Known {
    pub(super) text: Arc<str>,
    pub(super) keyspace: Box<str>,
    pub(super) table: Box<str>,
    pub(super) state: ShapeState,
    pub(super) weight: usize,
    pub(super) used: u64,
    /// How often it was run.
    pub(super) runs: u64,
    /// How often a node had forgotten it.
    pub(super) forgotten: u64,
    /// How often nodes refused what it read, since it had been run so often.
    pub(super) refused: u64,
    pub(super) refused_since: u64,
    /// How often in a row it could not be prepared.
    pub(super) failures: u32,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum ShapeState {
    /// Nodes were asked to prepare it.
    Preparing(Preparing),
    /// The types of its markers are known, with which nodes are to be asked.
    Typed(Box<[ColumnType]>),
    /// It may be run.
    Prepared(PreparedShape),
    /// It stays text until then, µs.
    PutOff(u64),
    /// It stays text.
    GivenUp,
}

/// What nodes have answered so far.
#[derive(Debug, Default)]
pub(super) struct Preparing {
    /// How many have not answered.
    pub(super) left: usize,
    /// The types that are written before its markers; `None` while they are asked for.
    pub(super) types: Option<Box<[ColumnType]>>,
    pub(super) found: Option<PreparedShape>,
    pub(super) refusal: Option<PrepareRefusal>,
}

/// Why a node did not prepare a shape.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PrepareRefusal {
    /// For a reason that may pass: it is busy, or does not know the table as it is now.
    ForNow,
    /// It never will.
    Final,
}

/// A shape as nodes prepared it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PreparedShape {
    /// The servers' id.
    pub id: Box<[u8]>,
    /// The types of its markers.
    pub kinds: Box<[ColumnType]>,
    /// Whether the key is all markers: then a node reports the tablet of what goes astray.
    pub is_reported: bool,
}

/// What a node answered.
#[derive(Debug)]
pub enum PrepareOutcome {
    /// It prepared the shape.
    Prepared(PreparedShape),
    /// It did not, or with a warning.
    Refused(PrepareRefusal),
    /// Nothing: its lane is gone.
    Lost,
}

impl Known {
    /// It could not be prepared, and is tried again after a while.
    pub(super) fn put_off(&mut self, now_us: u64) {
        let wait_us = WAIT_US.saturating_mul(1 << self.failures.min(16)).min(WAIT_MAX_US);
        self.failures += 1;
        self.state = ShapeState::PutOff(now_us.saturating_add(wait_us));
    }

    /// Bytes that it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let of_state = match &self.state {
            ShapeState::Preparing(_) | ShapeState::PutOff(_) | ShapeState::GivenUp => 0,
            ShapeState::Typed(types) => size_of_val(&**types),
            ShapeState::Prepared(prepared) => prepared.id.len() + size_of_val(&*prepared.kinds),
        };
        320 + 2 * self.text.len() + self.keyspace.len() + self.table.len() + of_state
    }
}
