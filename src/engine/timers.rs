//! The engine's timers: what is done when a time has passed, without any other input.

use crate::engine::answers::lost;
use crate::engine::core::core::Core;
use crate::engine::features::clients::keyspaces;
use crate::engine::features::features::Features;
use crate::engine::features::lanes::heartbeats;
use crate::engine::features::repeats::hedging::SentCopy;
use crate::engine::features::tablets::tablet_reads;
use crate::engine::requests::inbound;
use crate::routing::decision::Reason;

/// Something that is due at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timer {
    /// When to ask the nodes for their schema version again, or to give up on their agreement.
    Agreement,
    /// When the oldest read without an answer is slow enough to be sent to a second replica.
    SlowRead,
    /// When to look again at the clients that wait for memory.
    Memory,
    /// When to look at the full lanes again, to find those that have stalled.
    FullLanes,
    /// When to look for everything else that has waited too long: requests, logins, `USE`, silent
    /// or unused lanes, idle pools, memory that is not used.
    Sweep,
}

impl Timer {
    /// All timers, in the order in which they fire.
    pub(crate) const ALL: [Self; 5] =
        [Self::Agreement, Self::SlowRead, Self::Memory, Self::FullLanes, Self::Sweep];
}

/// Time between two sweeps, µs.
const SWEEP_US: u64 = 250_000;

/// When each timer fires, and what it does then.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    swept_us: u64,
}

impl Timers {
    /// When the next timer fires.
    pub(crate) fn next_us(&self, core: &Core, features: &Features) -> u64 {
        let due = Timer::ALL.into_iter().filter_map(|timer| self.due_us(timer, core, features));
        due.min().unwrap_or(u64::MAX)
    }

    /// When a timer fires; `None` while it is not set.
    fn due_us(&self, timer: Timer, core: &Core, features: &Features) -> Option<u64> {
        let limits = &core.settings.limits;
        match timer {
            Timer::Agreement => features.agreement.due_us(limits.agreement_timeout_us),
            Timer::SlowRead => features.hedging.due_us(),
            Timer::Memory => features.memory.due_us(),
            Timer::FullLanes => features.stalls.due_us(limits.lane_stall_us),
            Timer::Sweep => Some(self.swept_us + SWEEP_US),
        }
    }

    /// Fires a timer whose time has come.
    pub(crate) fn fire_if_due(&mut self, timer: Timer, core: &mut Core, features: &mut Features) {
        if self.due_us(timer, core, features).is_none_or(|due_us| due_us > core.now_us) {
            return;
        }
        match timer {
            Timer::Agreement => features.agreement.on_timer(core),
            Timer::SlowRead => copy_slow_reads(core, features),
            Timer::Memory => features.memory.look(core),
            Timer::FullLanes => features.stalls.on_timer(core),
            Timer::Sweep => {
                self.swept_us = core.now_us;
                sweep(core, features);
            }
        }
    }
}

/// Sends slow reads to a second replica, within the budget of repeated requests.
fn copy_slow_reads(core: &mut Core, features: &mut Features) {
    while let Some(slow) = features.hedging.next_slow(core) {
        if !features.retry_budgets.pay_for_copy(core) {
            continue;
        }
        if let Some(id) = core.send(slow.lane, &slow.outgoing, &slow.frame) {
            core.tally.on_decision(Reason::Speculative);
            features.hedging.pair(slow.copy, SentCopy { lane: slow.lane, stream: id.0 });
        }
    }
}

/// Gives up on what has waited too long, and gives back what is not used.
fn sweep(core: &mut Core, features: &mut Features) {
    features.retry_budgets.settle(core);
    keyspaces::expire_waiting(core);
    keyspaces::close_idle(core);
    for key in core.lanes.keys() {
        lost::expire_lane(core, features, key);
        heartbeats::check(core, key);
        if let Some(lane) = core.lanes.get_mut(key) {
            lane.outbox.shrink_unused();
            lane.decoder.shrink_unused();
        }
    }
    core.close_unused();
    tablet_reads::sweep(core);
    for key in core.clients.keys() {
        inbound::expire_skipping(core, key);
        if let Some(client) = core.clients.get_mut(key) {
            client.session.shrink_unused();
        }
    }
    if core.settings.limits.memory_bytes_max > 0 {
        features.memory.look(core);
    }
    features.newcomers.expire(core);
    features.logins.expire(core);
    features.console.expire(core);
}
