//! A second copy of a slow read, at another replica; the first answer wins.
//!
//! Only for SELECTs of one partition whose replicas are known, prepared or by text, and only within the budget
//! of repeated requests. The two copies are twins: whichever is answered orphans the other, whose late answer
//! is dropped. A copy that fails leaves the answer to the other.

use std::collections::{HashMap, VecDeque};

use crate::engine::core::core::Core;
use crate::engine::core::pool_lanes::Preference;
use crate::engine::pending::{LaneKey, Outgoing, Pending, Purpose, RequestOrigin, Subject};
use crate::routing::decision::{Decision, Reason};
use crate::routing::text::BoundText;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;
use crate::upstream::stream_ids::StreamId;
use cql::header::HEADER_LEN;
use cql::opcode::Opcode;
use cql::request::execute::Execute;
use cql::request::query::Query;

/// Reads that wait to be found slow; more are not copied.
const WATCHED_MAX: usize = 65_536;

/// One of the copies of a request that were sent: its lane, and its stream id there.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SentCopy {
    pub(crate) lane: LaneKey,
    pub(crate) stream: i16,
}

/// Reads that may be copied, and those that were.
#[derive(Debug, Default)]
pub(crate) struct Hedging {
    /// Oldest first: all wait equally long.
    watched: VecDeque<Watched>,
    /// Each copy by the other.
    twins: HashMap<SentCopy, SentCopy>,
}

#[derive(Debug)]
struct Watched {
    due_us: u64,
    copy: SentCopy,
    origin: RequestOrigin,
}

/// A read that is slow, and the lane to another replica.
#[derive(Debug)]
pub(crate) struct SlowRead {
    pub(crate) copy: SentCopy,
    pub(crate) lane: LaneKey,
    pub(crate) outgoing: Outgoing,
    pub(crate) frame: Vec<u8>,
}

impl Hedging {
    /// When the next read is found slow.
    pub(crate) fn due_us(&self) -> Option<u64> {
        self.watched.front().map(|watched| watched.due_us)
    }

    /// A client's EXECUTE or QUERY was sent.
    pub(crate) fn watch(&mut self, core: &Core, copy: SentCopy, outgoing: &Outgoing) {
        let delay_us = core.settings.limits.speculative_delay_us;
        let client =
            matches!(outgoing.origin, RequestOrigin::Client { purpose: Purpose::Forward, .. });
        let fresh = outgoing.is_read && outgoing.resent == 0;
        if client && fresh && self.watched.len() < WATCHED_MAX {
            let due_us = outgoing.arrived_us + delay_us;
            self.watched.push_back(Watched { due_us, copy, origin: outgoing.origin });
        }
    }

    /// The next read that is slow by now and has another replica; `None` when there is no more.
    pub(crate) fn next_slow(&mut self, core: &mut Core) -> Option<SlowRead> {
        while let Some(watched) = self.watched.front()
            && watched.due_us <= core.now_us
        {
            let (copy, origin) = (watched.copy, watched.origin);
            self.watched.pop_front();
            let slow = self.elsewhere(core, copy, origin);
            if slow.is_some() {
                return slow;
            }
        }
        None
    }

    fn elsewhere(
        &self,
        core: &mut Core,
        copy: SentCopy,
        origin: RequestOrigin,
    ) -> Option<SlowRead> {
        let lane = core.lanes.get(copy.lane)?;
        let (node, pool) = (lane.route.node, lane.route.pool);
        let waiter = lane.ids.waiter(StreamId(copy.stream));
        // The id may be another request's by now, even of the same client on the same stream.
        let slow_us = core.now_us.saturating_sub(core.settings.limits.speculative_delay_us);
        let same = |pending: &&Pending| pending.origin == origin && pending.arrived_us <= slow_us;
        let pending = waiter.filter(same)?;
        if self.twins.contains_key(&copy) {
            return None;
        }
        let base = core.base_of(origin);
        let mut outgoing = Outgoing::again(pending, base);
        let frame = pending.frame.clone();
        let gone = matches!(origin, RequestOrigin::Client { to, .. } if core.clients.get(to.client).is_none());
        let elsewhere = if outgoing.opcode == Opcode::Query {
            // Its copy is no shape, even if it is one itself.
            outgoing.subject = Subject::Unknown;
            text_elsewhere(core, pool, base, node, &frame)
        } else {
            statement_elsewhere(core, base, node, &frame)
        };
        let lane = elsewhere.filter(|_| !gone)?.lane;
        Some(SlowRead { copy, lane, outgoing, frame })
    }

    /// A slow read was copied: the two are twins.
    pub(crate) fn pair(&mut self, copy: SentCopy, twin: SentCopy) {
        self.twins.insert(copy, twin);
        self.twins.insert(twin, copy);
    }

    /// A copy was answered, by an ERROR or not. `true` when the answer is not for the client: its
    /// twin goes on alone.
    #[inline]
    pub(crate) fn leaves_it_to_twin(
        &mut self,
        core: &mut Core,
        copy: SentCopy,
        failed: bool,
    ) -> bool {
        !self.twins.is_empty() && self.leaves_to_twin(core, copy, failed)
    }

    #[cold]
    fn leaves_to_twin(&mut self, core: &mut Core, copy: SentCopy, failed: bool) -> bool {
        let Some(twin) = self.part(copy) else { return false };
        if !failed {
            orphan(core, twin);
        }
        failed
    }

    /// A copy was given up for want of an answer: its twin is no better.
    pub(crate) fn give_up_twin(&mut self, core: &mut Core, copy: SentCopy) {
        if let Some(twin) = self.part(copy) {
            orphan(core, twin);
        }
    }

    /// A copy lost its lane. Hands the request back unless its twin goes on alone.
    pub(crate) fn without_twin(
        &mut self,
        core: &mut Core,
        copy: SentCopy,
        pending: Pending,
    ) -> Option<Pending> {
        match self.part(copy) {
            Some(_) => {
                core.spare.give_back(pending.frame);
                None
            }
            None => Some(pending),
        }
    }

    /// Parts two twins; `None` when this copy has none.
    fn part(&mut self, copy: SentCopy) -> Option<SentCopy> {
        let twin = self.twins.remove(&copy)?;
        self.twins.remove(&twin);
        Some(twin)
    }
}

/// Where else an EXECUTE may go than to `node`: to another replica.
fn statement_elsewhere(
    core: &mut Core,
    base: PoolId,
    node: NodeId,
    frame: &[u8],
) -> Option<Decision<LaneKey>> {
    let request = Execute::read(frame.get(HEADER_LEN..).unwrap_or_default()).ok()?;
    let pool = core.pool_of_statement(base, request.id);
    let is_in_keyspace = pool != base;
    let preference = Preference { avoided: Some(node), is_in_keyspace, sticky: None };
    let now_us = core.now_us;
    let (router, lanes) = core.routing(pool, preference);
    let routed = router.execute(&request, now_us, &lanes);
    core.ask_for(pool, routed.missing);
    core.read_tables(routed.unread.map(|unread| *unread));
    routed
        .decision
        .filter(|decision| matches!(decision.reason, Reason::TabletReplica | Reason::RingReplica))
}

/// The same of a QUERY, which was on a lane of `pool`.
fn text_elsewhere(
    core: &mut Core,
    pool: PoolId,
    base: PoolId,
    node: NodeId,
    frame: &[u8],
) -> Option<Decision<LaneKey>> {
    let query = Query::read(frame.get(HEADER_LEN..).unwrap_or_default()).ok()?;
    let keyspace = core.pools.keyspace(pool);
    let asked = BoundText {
        text: query.text,
        values: query.parameters.values,
        keyspace: keyspace.as_deref(),
        now_us: core.now_us,
    };
    let place = core.router.read_text(&asked);
    let is_in_keyspace = pool != base;
    let preference = Preference { avoided: Some(node), is_in_keyspace, sticky: None };
    let (router, lanes) = core.routing(pool, preference);
    let choice = router.text(&place, query.parameters.consistency.is_serial(), &lanes);
    core.ask_for(pool, choice.missing);
    core.read_tables(place.unread);
    choice
        .decision
        .filter(|decision| matches!(decision.reason, Reason::TextLiteral | Reason::TextBound))
}

/// No client waits for this copy any more; its stream id stays taken until it is answered.
fn orphan(core: &mut Core, copy: SentCopy) {
    let Some(lane) = core.lanes.get_mut(copy.lane) else { return };
    let Some(pending) = lane.ids.take_waiter(StreamId(copy.stream)) else { return };
    lane.retained_bytes = lane.retained_bytes.saturating_sub(pending.frame.len());
    core.spare.give_back(pending.frame);
}
