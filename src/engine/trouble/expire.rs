//! What time alone brings about: requests given up, rounds of asking, lanes that owe too much.

use crate::engine::action::Action;
use crate::engine::engine::Engine;
use crate::engine::pending::{Origin, Purpose};
use crate::engine::tally::Outcome;
use crate::engine::trouble::speculate::Taken;
use crate::upstream::stream_ids::StreamId;

/// How often old requests are looked for.
const SWEEP_US: u64 = 250_000;

impl Engine {
    /// When [`Engine::on_deadline`] is wanted next, in the engine's own µs.
    #[must_use]
    pub fn next_deadline_us(&self) -> u64 {
        let sweep = self.swept_us + SWEEP_US;
        let due = [self.agreement_due_us(), self.speculation_due_us(), self.stalls_due_us()];
        due.into_iter().flatten().fold(sweep, u64::min)
    }

    /// Time has passed.
    pub fn on_deadline(&mut self) {
        self.expire_agreement();
        self.speculate();
        self.find_stalls();
        if self.now_us.saturating_sub(self.swept_us) < SWEEP_US {
            return;
        }
        self.swept_us = self.now_us;
        self.settle_retry_budget();
        self.expire_waiting();
        self.expire_sets();
        for key in self.lanes.keys() {
            self.expire_lane(key);
            self.expire_silent(key);
            if let Some(lane) = self.lanes.get_mut(key) {
                lane.outbox.shrink_if_idle();
                lane.decoder.shrink_if_idle();
            }
        }
        self.close_unused();
        for key in self.clients.keys() {
            self.expire_passing(key);
            if let Some(client) = self.clients.get_mut(key) {
                client.session.outbox.shrink_if_idle();
                client.session.decoder.shrink_if_idle();
            }
        }
        if self.authenticator.is_some() {
            self.expire_logins();
        }
    }

    fn expire_lane(&mut self, key: crate::engine::pending::LaneKey) {
        let limits = self.settings.limits;
        let now = self.now_us;
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let old = |arrived_us: u64| now.saturating_sub(arrived_us) >= limits.request_timeout_us;
        let late: Vec<StreamId> = lane
            .ids
            .waiting()
            .filter(|(_, pending)| old(pending.arrived_us))
            .map(|(id, _)| id)
            .collect();
        let take = |id| Some((id, lane.ids.take_waiter(id)?));
        let taken: Vec<Taken> = late.into_iter().filter_map(take).collect();
        lane.retained_bytes -= taken.iter().map(|(_, p)| p.frame.len()).sum::<usize>();
        let owes = lane.ids.orphaned() > usize::try_from(limits.lane_orphans_max).unwrap_or(0);
        lane.draining |= owes;
        if lane.draining && !lane.is_awaited() {
            self.actions.push_back(Action::CloseLane(key));
        }
        for (id, pending) in taken {
            self.tally.timeouts += 1;
            self.give_up_twin((key, id.0));
            match pending.origin {
                Origin::InternalRequest(internal) => self.on_errand_lost(internal),
                Origin::Client { client, purpose, .. } => {
                    if self.clients.get(client).is_none() {
                        self.on_ended(pending.opcode, Outcome::Abandoned);
                        continue;
                    }
                    self.give_up_lost(pending);
                    if let Purpose::Use(_) = purpose {
                        self.on_use_ended(client);
                    }
                }
            }
        }
    }
}
