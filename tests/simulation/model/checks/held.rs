//! No client waits for long for a lane whose node takes and says nothing.

use std::collections::BTreeMap;

use crate::network::link::LinkId;
use crate::proxy::workers::Worker;
use crate::world::World;

/// The engine's timer may be late by this.
const TIMER_US: u64 = 250_000;

/// Since when which client waits for which full lane.
pub(crate) type Held = BTreeMap<(LinkId, LinkId), u64>;

impl World {
    /// The longest that a client may wait for a silent lane.
    pub(crate) fn held_us_max(&self) -> u64 {
        let stall_us = self.scenario.limits.lane_stall_us;
        stall_us + stall_us / 4 + TIMER_US
    }

    /// A lane took bytes, or brought some.
    pub(crate) fn note_moved(&mut self, id: LinkId) {
        let now = self.now_us;
        if let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) {
            lane.moved_us = now;
        }
    }

    /// Who waits for a full lane: no longer than the bound since its node was last heard of.
    pub(crate) fn check_held(&mut self) {
        let waiting = |worker: &Worker| !worker.engine.held_clients().is_empty();
        if self.held.is_empty() && !self.workers.all().any(waiting) {
            return;
        }
        let ids = self.workers.all().flat_map(|worker| {
            worker.engine.held_clients().iter().filter_map(|(lane, client)| {
                Some((*worker.lane_links.get(lane)?, *worker.client_links.get(client)?))
            })
        });
        let now = self.now_us;
        let since = |pair: (LinkId, LinkId)| (pair, *self.held.get(&pair).unwrap_or(&now));
        let held: Held = ids.map(since).collect();
        let mut broken = None;
        for ((lane, client), since_us) in &held {
            let moved_us = self.links.get_mut(lane).and_then(|link| Some(link.lane()?.moved_us));
            let quiet_us = now - moved_us.unwrap_or(0).max(*since_us);
            if quiet_us > self.held_us_max() {
                broken = Some((*lane, *client, quiet_us));
            }
        }
        self.held = held;
        if let Some((lane, client, us)) = broken {
            self.blame(format_args!(
                "client link {client} waits for lane {lane}, which took and said nothing for {us} µs"
            ));
        }
    }
}
