//! Which shard answered the page before: the next page of a query goes there too.
//!
//! A replica keeps the reader of an unfinished query open for its next page. Elsewhere that page
//! begins with a seek. What is kept here is soft: a page that nobody remembers is routed like any
//! other request.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::engine::engine::Engine;
use crate::engine::pending::LaneKey;
use crate::topology::id::NodeId;
use crate::upstream::lane::{LaneRoute, PoolId};
use cql::request::parameters::{PAGING_STATE, Parameters};
use cql::response::rows;
use cql::token::shard::ShardId;

/// Queries between two pages that are remembered; the newer of two that share a slot wins.
const SLOTS: usize = 1024;

/// Where the last pages came from, by their paging states.
#[derive(Debug, Default)]
pub struct Pages {
    /// Empty until the first query with more pages.
    slots: Vec<Option<Slot>>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Of the paging state; two that share it cost one page a seek.
    hash: u64,
    node: NodeId,
    shard: ShardId,
}

impl Pages {
    fn remember(&mut self, state: &[u8], node: NodeId, shard: ShardId) {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, None);
        }
        let hash = FixedState::default().hash_one(state);
        if let Some(slot) = self.slots.get_mut(slot_of(hash)) {
            *slot = Some(Slot { hash, node, shard });
        }
    }

    fn recall(&self, state: &[u8]) -> Option<(NodeId, ShardId)> {
        let hash = FixedState::default().hash_one(state);
        let slot = self.slots.get(slot_of(hash)).copied().flatten()?;
        (slot.hash == hash).then_some((slot.node, slot.shard))
    }
}

fn slot_of(hash: u64) -> usize {
    usize::try_from(hash % SLOTS as u64).unwrap_or(0)
}

impl Engine {
    /// Takes note of who sent a page that another will follow.
    #[inline]
    pub(in crate::engine) fn on_page(&mut self, route: LaneRoute, message: &[u8]) {
        if let Some(state) = rows::next_page(message) {
            self.pages.remember(state, route.node, route.shard);
        }
    }

    /// The lane of a set to the shard that sent the page before, if this asks for a next page.
    #[inline]
    pub(in crate::engine) fn lane_of_page(
        &self,
        pool: PoolId,
        parameters: &Parameters<'_>,
    ) -> Option<LaneKey> {
        if parameters.flags & PAGING_STATE == 0 {
            return None;
        }
        let (node, shard) = self.pages.recall(parameters.options().ok()?.paging_state?)?;
        self.pools.lane_map(pool).lane(node, shard)
    }
}
