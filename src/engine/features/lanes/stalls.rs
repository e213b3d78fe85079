//! Full lanes: a client that fills one waits until it has drained, but not for a silent node.
//!
//! A lane that drains slows its writers down, as a slow network should. One whose node neither
//! takes a byte nor sends one drains perhaps never: it is *stalled*. No client waits for it any
//! more, and requests pass it over until its outbox has drained.

use std::mem;

use crate::engine::client::ClientKey;
use crate::engine::core::core::Core;
use crate::engine::pending::LaneKey;
use crate::upstream::lane::Backlog;

/// Looks at full lanes within the time after which one is stalled.
const LOOKS: u64 = 4;

/// Lanes that are full, and the clients that wait for them.
#[derive(Debug, Default)]
pub(crate) struct Stalls {
    /// Clients that wait until a full lane has drained.
    held: Vec<(LaneKey, ClientKey)>,
    /// Full lanes that are not stalled.
    full: Vec<FullLane>,
    /// When the full lanes were last looked at.
    looked_us: u64,
}

#[derive(Debug)]
struct FullLane {
    key: LaneKey,
    /// Bytes that its socket had taken when it was last looked at.
    left_total: u64,
    /// Since when its node has taken and sent nothing.
    since_us: u64,
}

impl Stalls {
    /// The clients that wait for a full lane.
    pub(crate) fn held(&self) -> &[(LaneKey, ClientKey)] {
        &self.held
    }

    /// When full lanes are looked at next.
    pub(crate) fn due_us(&self, stall_us: u64) -> Option<u64> {
        let pause = (stall_us / LOOKS).max(1);
        (!self.full.is_empty()).then_some(self.looked_us + pause)
    }

    /// A lane is full because of `client`, which waits until it has drained.
    pub(crate) fn on_full(&mut self, core: &mut Core, key: LaneKey, client: ClientKey) {
        self.on_lane_full(core, key);
        if core.lanes.get(key).is_none_or(|lane| lane.backlog == Backlog::Stalled) {
            return;
        }
        if let Some(entry) = core.clients.get_mut(client)
            && !self.held.contains(&(key, client))
        {
            entry.full_lanes += 1;
            self.held.push((key, client));
            core.pause_if_needed(client);
        }
    }

    fn on_lane_full(&mut self, core: &mut Core, key: LaneKey) {
        let (now, stall_us) = (core.now_us, core.settings.limits.lane_stall_us);
        let Some(lane) = core.lanes.get_mut(key) else { return };
        if lane.backlog != Backlog::Usual {
            return;
        }
        lane.backlog = Backlog::Full;
        // A client that waited for one lane of a silent node need not wait for each of the others.
        let silent = now.saturating_sub(lane.heard_us) >= stall_us;
        if silent && core.stalled_nodes.contains(&lane.route.node) {
            return self.stall(core, key);
        }
        if self.full.is_empty() {
            self.looked_us = now;
        }
        let left_total = lane.outbox.left_total();
        self.full.push(FullLane { key, left_total, since_us: now });
    }

    /// Finds the full lanes that have stalled.
    pub(crate) fn on_timer(&mut self, core: &mut Core) {
        let now = core.now_us;
        self.looked_us = now;
        let stall_us = core.settings.limits.lane_stall_us;
        let mut stalled = Vec::new();
        for full in &mut self.full {
            let Some(lane) = core.lanes.get(full.key) else { continue };
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
            self.stall(core, key);
        }
    }

    fn stall(&mut self, core: &mut Core, key: LaneKey) {
        if let Some(lane) = core.lanes.get_mut(key) {
            lane.backlog = Backlog::Stalled;
            core.tally.lanes_stalled += 1;
        }
        self.release(core, key);
    }

    /// The outbox of a full lane has drained: it is as good as any other.
    #[cold]
    pub(crate) fn on_drained(&mut self, core: &mut Core, key: LaneKey) {
        if let Some(lane) = core.lanes.get_mut(key) {
            lane.backlog = Backlog::Usual;
        }
        self.release(core, key);
    }

    /// A full lane is gone.
    pub(crate) fn on_lane_down(&mut self, core: &mut Core, key: LaneKey) {
        self.release(core, key);
    }

    /// A client is gone that waited for full lanes.
    pub(crate) fn on_client_closed(&mut self, client: ClientKey) {
        self.held.retain(|(_, held)| *held != client);
    }

    /// No client waits for a lane any more: it has drained, stalled, or is gone.
    fn release(&mut self, core: &mut Core, key: LaneKey) {
        self.full.retain(|full| full.key != key);
        let lanes = core.lanes.iter().filter(|(_, lane)| lane.backlog == Backlog::Stalled);
        core.stalled_nodes = lanes.map(|(_, lane)| lane.route.node).collect();
        core.stalled_nodes.sort_unstable();
        core.stalled_nodes.dedup();
        let (released, held): (Vec<_>, Vec<_>) =
            mem::take(&mut self.held).into_iter().partition(|(by, _)| *by == key);
        self.held = held;
        for (_, client) in released {
            if let Some(entry) = core.clients.get_mut(client) {
                entry.full_lanes = entry.full_lanes.saturating_sub(1);
                core.resume_if_possible(client);
            }
        }
    }
}
