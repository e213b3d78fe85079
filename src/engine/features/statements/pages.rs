//! Which shard answered the page before: the next page of a query goes there too.
//!
//! A replica keeps the reader of an unfinished query open for its next page. Elsewhere that page
//! begins with a seek. What is kept here may be lost: the page is routed like any other request
//! then.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::engine::core::core::Core;
use crate::engine::pending::LaneKey;
use crate::topology::tablet::Replica;
use crate::upstream::lane::{LaneRoute, PoolId};
use cql::request::parameters::{PAGING_STATE, Parameters};
use cql::response::rows;

/// Queries between two pages that are remembered; the newer of two that share a slot wins.
const SLOTS: usize = 1024;

/// Where the last pages came from, by their paging states.
#[derive(Debug, Default)]
pub(crate) struct PageMemory {
    /// Empty until the first query with more pages.
    slots: Vec<Option<Slot>>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Of the paging state; two that share it cost one page a seek.
    hash: u64,
    from: Replica,
}

impl PageMemory {
    #[cold]
    fn remember(&mut self, state: &[u8], from: Replica) {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, None);
        }
        let hash = FixedState::default().hash_one(state);
        if let Some(slot) = self.slots.get_mut(slot_of(hash)) {
            *slot = Some(Slot { hash, from });
        }
    }

    fn recall(&self, state: &[u8]) -> Option<Replica> {
        let hash = FixedState::default().hash_one(state);
        let slot = self.slots.get(slot_of(hash)).copied().flatten()?;
        (slot.hash == hash).then_some(slot.from)
    }

    /// Takes note of which shard sent a page that another will follow.
    #[inline]
    pub(crate) fn on_rows(&mut self, route: LaneRoute, message: &[u8]) {
        if let Some(state) = rows::next_page(message) {
            self.remember(state, route.place());
        }
    }

    /// The lane of a pool to the shard that sent the page before, if this asks for a next page.
    #[inline]
    pub(crate) fn lane_of_page(
        &self,
        core: &Core,
        pool: PoolId,
        parameters: &Parameters<'_>,
    ) -> Option<LaneKey> {
        if parameters.flags & PAGING_STATE == 0 {
            return None;
        }
        self.lane_after(core, pool, parameters)
    }

    #[cold]
    fn lane_after(
        &self,
        core: &Core,
        pool: PoolId,
        parameters: &Parameters<'_>,
    ) -> Option<LaneKey> {
        let Replica { node, shard } = self.recall(parameters.options().ok()?.paging_state?)?;
        core.pools.lane_map(pool).lane(node, shard)
    }
}

fn slot_of(hash: u64) -> usize {
    usize::try_from(hash % SLOTS as u64).unwrap_or(0)
}
