//! A second copy of a slow read, at another replica; the first answer wins.
//!
//! Only for prepared SELECTs whose replicas are known, and only within the budget of repeated
//! requests. The two copies are twins: whichever is answered orphans the other, whose late answer
//! is dropped. A copy that fails leaves it to the other.

use std::collections::{HashMap, VecDeque};

use crate::engine::engine::Engine;
use crate::engine::pending::{LaneKey, Origin, Pending, Purpose};
use crate::engine::requests::forward::Outgoing;
use crate::routing::decision::Reason;
use crate::upstream::stream_ids::StreamId;
use cql::header::HEADER_LEN;
use cql::opcode::Opcode;
use cql::request::execute::Execute;

/// Reads that wait to be found slow; more are not copied.
const WATCHED_MAX: usize = 65_536;

/// One copy of a request: its lane, and its stream id there.
type Copy = (LaneKey, i16);

/// Reads that may be copied, and those that were.
#[derive(Debug, Default)]
pub struct Speculation {
    /// Oldest first: all wait equally long.
    watched: VecDeque<Watched>,
    /// Each copy by the other.
    twins: HashMap<Copy, Copy>,
}

#[derive(Debug)]
struct Watched {
    due_us: u64,
    copy: Copy,
    origin: Origin,
}

impl Speculation {
    /// Parts two twins; `None` when this copy has none.
    fn part(&mut self, copy: Copy) -> Option<Copy> {
        let twin = self.twins.remove(&copy)?;
        self.twins.remove(&twin);
        Some(twin)
    }
}

impl Engine {
    /// When the next read is found slow.
    pub(in crate::engine) fn speculation_due_us(&self) -> Option<u64> {
        self.speculation.watched.front().map(|watched| watched.due_us)
    }

    /// A read was sent for the first time.
    pub(in crate::engine) fn watch(&mut self, lane: LaneKey, id: StreamId, outgoing: &Outgoing) {
        let delay_us = self.settings.limits.speculative_delay_us;
        let client = matches!(outgoing.origin, Origin::Client { purpose: Purpose::Forward, .. });
        let fresh = outgoing.is_read && outgoing.resent == 0 && outgoing.opcode == Opcode::Execute;
        if client && fresh && self.speculation.watched.len() < WATCHED_MAX {
            let due_us = outgoing.arrived_us + delay_us;
            let (copy, origin) = ((lane, id.0), outgoing.origin);
            self.speculation.watched.push_back(Watched { due_us, copy, origin });
        }
    }

    /// Copies the reads that are slow by now.
    pub(in crate::engine) fn speculate(&mut self) {
        while let Some(watched) = self.speculation.watched.front()
            && watched.due_us <= self.now_us
        {
            let (copy, origin) = (watched.copy, watched.origin);
            self.speculation.watched.pop_front();
            self.copy_read(copy, origin);
        }
    }

    fn copy_read(&mut self, copy: Copy, origin: Origin) {
        let Some(lane) = self.lanes.get(copy.0) else { return };
        let (node, waiter) = (lane.route.node, lane.ids.waiter(StreamId(copy.1)));
        // The id may be another request's by now, even of the same client on the same stream.
        let slow_us = self.now_us.saturating_sub(self.settings.limits.speculative_delay_us);
        let same = |pending: &&Pending| pending.origin == origin && pending.arrived_us <= slow_us;
        let Some(pending) = waiter.filter(same) else { return };
        if self.speculation.twins.contains_key(&copy) {
            return;
        }
        let home = self.home_of(origin);
        let outgoing = Outgoing::again(pending, home);
        let frame = pending.frame.clone();
        let gone =
            matches!(origin, Origin::Client { client, .. } if self.clients.get(client).is_none());
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let Ok(request) = Execute::read(body) else { return };
        let (router, mut lanes) = self.field(home);
        lanes.avoided = Some(node);
        let routed = router.execute(&request, &lanes);
        self.ask_for_missing(home);
        let elsewhere = routed.decision.filter(|decision| {
            matches!(decision.reason, Reason::TabletReplica | Reason::RingReplica)
        });
        let Some(decision) = elsewhere.filter(|_| !gone) else { return };
        if !self.may_repeat() {
            return;
        }
        let Some(id) = self.send_as(decision.lane, outgoing, &frame) else { return };
        self.tally.on_decision(Reason::Speculative);
        let twin = (decision.lane, id.0);
        self.speculation.twins.insert(copy, twin);
        self.speculation.twins.insert(twin, copy);
    }

    /// A copy was answered, by an ERROR or not. `true` when the answer is not for the client: its
    /// twin goes on alone.
    #[inline]
    pub(in crate::engine) fn leaves_it_to_twin(&mut self, copy: Copy, failed: bool) -> bool {
        if self.speculation.twins.is_empty() {
            return false;
        }
        let Some(twin) = self.speculation.part(copy) else { return false };
        if !failed {
            self.orphan(twin);
        }
        failed
    }

    /// A copy was given up for want of an answer: its twin is no better.
    pub(in crate::engine) fn give_up_twin(&mut self, copy: Copy) {
        if let Some(twin) = self.speculation.part(copy) {
            self.orphan(twin);
        }
    }

    /// A lane is lost: parts its requests from their twins, which go on alone. Returns what has
    /// none, and must be seen to.
    pub(in crate::engine) fn without_twin(
        &mut self,
        lane: LaneKey,
        taken: Vec<Taken>,
    ) -> Vec<Pending> {
        let mut left = Vec::with_capacity(taken.len());
        for (id, pending) in taken {
            match self.speculation.part((lane, id.0)) {
                Some(_) => self.give_back(pending.frame),
                None => left.push(pending),
            }
        }
        left
    }

    /// Nobody waits for this copy any more; its stream id stays taken until it is answered.
    fn orphan(&mut self, (lane, id): Copy) {
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        let Some(pending) = lane.ids.take_waiter(StreamId(id)) else { return };
        lane.retained_bytes = lane.retained_bytes.saturating_sub(pending.frame.len());
        self.give_back(pending.frame);
    }
}

/// A request that waited on a lane, with its stream id there.
pub(in crate::engine) type Taken = (StreamId, Pending);
