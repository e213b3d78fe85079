//! Full lanes: who fills one waits until it has drained, but not for a node that fell silent.
//!
//! A lane that drains slows its writers down, as a slow network should. One whose node neither
//! takes a byte nor says one drains perhaps never: it is *stalled*. Nobody waits for it any more,
//! and requests pass it over until its outbox has drained.

use std::mem;

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::pending::LaneKey;
use crate::topology::id::NodeId;

/// Looks at full lanes within the time after which one is stalled.
const LOOKS: u64 = 4;

/// Lanes that are full, and who waits for them.
#[derive(Debug, Default)]
pub(in crate::engine) struct Stalls {
    /// Clients that wait until a full lane has drained.
    held: Vec<(LaneKey, ClientKey)>,
    /// Full lanes that are not stalled.
    full: Vec<FullLane>,
    /// Nodes of stalled lanes, each once; none as a rule.
    pub(in crate::engine) nodes: Vec<NodeId>,
    /// When the full lanes were last looked at.
    looked_us: u64,
}

#[derive(Debug)]
struct FullLane {
    key: LaneKey,
    /// Bytes that its socket had taken when it was last looked at.
    left_total: u64,
    /// Since when its node has taken and said nothing.
    since_us: u64,
}

impl Engine {
    /// The clients that wait for a full lane, for whoever judges from outside that they do not do
    /// so for long.
    #[must_use]
    pub fn held_clients(&self) -> &[(LaneKey, ClientKey)] {
        &self.stalls.held
    }

    /// When full lanes are looked at next.
    pub(in crate::engine) fn stalls_due_us(&self) -> Option<u64> {
        let pause = (self.settings.limits.lane_stall_us / LOOKS).max(1);
        (!self.stalls.full.is_empty()).then_some(self.stalls.looked_us + pause)
    }

    /// Takes note that `lane` is full because of `client`, which waits until it has drained.
    #[cold]
    pub(in crate::engine) fn hold_client_for(&mut self, key: LaneKey, client: ClientKey) {
        self.on_lane_full(key);
        if self.lanes.get(key).is_none_or(|lane| lane.stalled) {
            return;
        }
        if let Some(entry) = self.clients.get_mut(client)
            && !entry.held_by.contains(&key)
        {
            entry.held_by.push(key);
            entry.paused = true;
            self.stalls.held.push((key, client));
        }
    }

    fn on_lane_full(&mut self, key: LaneKey) {
        let (now, stall_us) = (self.now_us, self.settings.limits.lane_stall_us);
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| !lane.full) else { return };
        lane.full = true;
        // Whoever waited for one lane of a silent node need not wait for each of the others.
        let silent = now.saturating_sub(lane.heard_us) >= stall_us;
        if silent && self.stalls.nodes.contains(&lane.route.node) {
            return self.stall(key);
        }
        if self.stalls.full.is_empty() {
            self.stalls.looked_us = now;
        }
        let left_total = lane.outbox.left_total();
        self.stalls.full.push(FullLane { key, left_total, since_us: now });
    }

    /// Looks which full lanes have stalled.
    pub(in crate::engine) fn find_stalls(&mut self) {
        let now = self.now_us;
        if self.stalls_due_us().is_none_or(|due_us| due_us > now) {
            return;
        }
        self.stalls.looked_us = now;
        let stall_us = self.settings.limits.lane_stall_us;
        let mut stalled = Vec::new();
        for full in &mut self.stalls.full {
            let Some(lane) = self.lanes.get(full.key) else { continue };
            let left_total = lane.outbox.left_total();
            if left_total != full.left_total {
                full.left_total = left_total;
                full.since_us = now;
            }
            full.since_us = full.since_us.max(lane.heard_us);
            if now.saturating_sub(full.since_us) >= stall_us {
                stalled.push(full.key);
            }
        }
        for key in stalled {
            self.stall(key);
        }
    }

    fn stall(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.stalled = true;
            self.tally.lanes_stalled += 1;
        }
        self.forget_full(key);
    }

    /// The outbox of a full lane has drained: it is as good as any other.
    #[cold]
    pub(in crate::engine) fn on_lane_drained(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.full = false;
            lane.stalled = false;
        }
        self.forget_full(key);
    }

    /// A client is gone that waited for full lanes.
    pub(in crate::engine) fn forget_held(&mut self, client: ClientKey) {
        self.stalls.held.retain(|(_, held)| *held != client);
    }

    /// Nobody waits for a lane any more: it has drained, stalled, or is gone.
    pub(in crate::engine) fn forget_full(&mut self, key: LaneKey) {
        self.stalls.full.retain(|full| full.key != key);
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.stalled);
        self.stalls.nodes = lanes.map(|(_, lane)| lane.route.node).collect();
        self.stalls.nodes.sort_unstable();
        self.stalls.nodes.dedup();
        let held = mem::take(&mut self.stalls.held);
        let (released, held) = held.into_iter().partition(|(by, _)| *by == key);
        self.stalls.held = held;
        let released: Vec<(LaneKey, ClientKey)> = released;
        for (_, client) in released {
            if let Some(entry) = self.clients.get_mut(client) {
                entry.held_by.retain(|by| *by != key);
                self.resume_if_possible(client);
            }
        }
    }
}
