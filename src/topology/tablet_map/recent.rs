//! The tablets that were replaced a moment ago.

use std::collections::VecDeque;

use crate::topology::table::TableId;
use crate::topology::tablet::Tablet;

/// Replaced tablets that are remembered. Beyond that the oldest is forgotten, which may cost a
/// wrong turn for the rest of its time.
const RECENT_MAX: usize = 1_024;

/// Replaced tablets, oldest first.
#[derive(Debug, Default)]
pub(super) struct ReplacedTablets {
    replaced: VecDeque<Replaced>,
}

#[derive(Debug)]
struct Replaced {
    at_ms: u64,
    table: TableId,
    tablet: Tablet,
}

impl ReplacedTablets {
    pub(super) fn remember(&mut self, table: TableId, tablet: Tablet, at_ms: u64) {
        if self.replaced.len() >= RECENT_MAX {
            self.replaced.pop_front();
        }
        self.replaced.push_back(Replaced { at_ms, table, tablet });
    }

    /// Forgets what was replaced `settle_ms` ago or earlier.
    pub(super) fn expire(&mut self, now_ms: u64, settle_ms: u64) {
        let over = |old: &Replaced| now_ms.saturating_sub(old.at_ms) >= settle_ms;
        while self.replaced.front().is_some_and(over) {
            self.replaced.pop_front();
        }
    }

    pub(super) fn holds(&self, table: TableId, tablet: &Tablet) -> bool {
        self.replaced.iter().any(|old| old.table == table && old.tablet == *tablet)
    }

    pub(super) fn forget_table(&mut self, table: TableId) {
        self.replaced.retain(|old| old.table != table);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let spilled: usize = self.replaced.iter().map(|old| old.tablet.replicas.heap_bytes()).sum();
        self.replaced.capacity() * size_of::<Replaced>() + spilled
    }
}
