//! Requests whose answer will not come: their lane is gone, or it took too long.

use crate::engine::action::Action;
use crate::engine::answers::internal;
use crate::engine::core::core::Core;
use crate::engine::core::todo::Todo;
use crate::engine::features::clients::{keyspaces, logins};
use crate::engine::features::features::Features;
use crate::engine::features::repeats::hedging::SentCopy;
use crate::engine::limits::KEYS;
use crate::engine::pending::{
    InternalRequest, LaneKey, Pending, Purpose, RESENT_MAX, RequestOrigin,
};
use crate::engine::view::tally::Outcome;
use crate::upstream::lane::{Backlog, LaneLife, PoolId};
use crate::upstream::stream_ids::StreamId;
use cql::error_code::ErrorCode;

/// A request of our own, or of a client that has left, is forgotten after this, µs: nothing waits
/// for its answer, and a lane that owes many of them is replaced.
const FORGOTTEN_US: u64 = 15_000_000;

/// A request that lost its lane.
#[derive(Debug)]
pub(crate) struct Lost {
    /// The lanes that it was on.
    pool: PoolId,
    pending: Pending,
    /// Whether its last byte was still in our outbox.
    unsent: bool,
}

/// A lane is gone. Returns the requests that waited on it, in the order of their stream ids.
pub(crate) fn on_lane_down(core: &mut Core, features: &mut Features, key: LaneKey) -> Vec<Lost> {
    let Some(down) = core.remove_lane(key) else { return Vec::new() };
    let mut lane = down.lane;
    if lane.backlog != Backlog::Usual {
        features.stalls.on_lane_down(core, key);
    }
    if down.was_used && core.pools.is_dedicated(lane.base) {
        logins::revoke(core, lane.base);
    }
    let (pool, left) = (lane.route.pool, lane.outbox.left_total());
    let taken = lane.ids.take_all().into_iter().filter_map(|(id, pending)| {
        let copy = SentCopy { lane: key, stream: id.0 };
        let pending = features.hedging.without_twin(core, copy, pending)?;
        let unsent = pending.sent_at > left;
        Some(Lost { pool, pending, unsent })
    });
    taken.collect()
}

/// Sends a request that lost its lane elsewhere if that can do no harm; answers it if it might.
pub(crate) fn on_lost(core: &mut Core, features: &mut Features, lost: Lost) {
    let Lost { pool, pending, unsent } = lost;
    let (to, purpose) = match pending.origin {
        RequestOrigin::Client { to, purpose } => (to, purpose),
        RequestOrigin::Internal(request) => return internal::on_lost(core, features, request),
    };
    if core.clients.get(to.client).is_none() {
        core.spare.give_back(pending.frame);
        return core.tally.on_request_ended(pending.opcode, Outcome::Abandoned);
    }
    if let Purpose::Use(pool) = purpose {
        if let Some(pending) = keyspaces::retry(core, to, pool, pending) {
            let text = "shardlane lost the connection on which it said USE";
            core.give_up(pending, ErrorCode::OVERLOADED, text);
        }
        return;
    }
    let may = !pending.frame.is_empty()
        && ((unsent && pending.resent < RESENT_MAX)
            || (pending.is_read
                && pending.resent == 0
                && features.retry_budgets.pay_for_lost(core)));
    if may {
        core.todo.push_back(Todo::RouteAgain { pool, pending, avoided: None });
    } else if unsent {
        let text = "shardlane lost the connection before it had sent the request";
        core.give_up(pending, ErrorCode::OVERLOADED, text);
    } else {
        core.give_up_sent(pending, "shardlane lost the connection to the coordinator");
    }
}

/// Gives up the requests of a lane that have waited too long.
pub(crate) fn expire_lane(core: &mut Core, features: &mut Features, key: LaneKey) {
    let limits = core.settings.limits;
    let now = core.now_us;
    let Some(lane) = core.lanes.get_mut(key) else { return };
    let request_us_max = limits.request_us_max().unwrap_or(u64::MAX);
    let clients = &core.clients;
    let is_late = |pending: &Pending| {
        let waited_us = now.saturating_sub(pending.arrived_us);
        let is_forgotten = || match pending.origin {
            RequestOrigin::Client { to, .. } => clients.get(to.client).is_none(),
            RequestOrigin::Internal(_) => true,
        };
        // What a slow node says of its schema counts however late it is.
        let is_awaited = || {
            matches!(pending.origin, RequestOrigin::Internal(InternalRequest::SchemaVersion { .. }))
        };
        (waited_us >= request_us_max && !is_awaited())
            || (waited_us >= FORGOTTEN_US && is_forgotten())
    };
    let late: Vec<StreamId> =
        lane.ids.waiting().filter(|(_, pending)| is_late(pending)).map(|(id, _)| id).collect();
    let take = |id| Some((id, lane.ids.take_waiter(id)?));
    let taken: Vec<(StreamId, Pending)> = late.into_iter().filter_map(take).collect();
    lane.retained_bytes -= taken.iter().map(|(_, p)| p.frame.len()).sum::<usize>();
    let has_too_many = lane.ids.orphaned() > usize::try_from(limits.lane_orphans_max).unwrap_or(0);
    if has_too_many && lane.life == LaneLife::Open {
        lane.life = LaneLife::Draining;
    }
    if lane.is_done() {
        core.actions.push_back(Action::CloseLane(key));
    }
    for (id, late) in taken {
        core.tally.timeouts += 1;
        features.hedging.give_up_twin(core, SentCopy { lane: key, stream: id.0 });
        match late.origin {
            RequestOrigin::Internal(request) => internal::on_lost(core, features, request),
            RequestOrigin::Client { to, .. } if core.clients.get(to.client).is_none() => {
                core.tally.on_request_ended(late.opcode, Outcome::Abandoned);
            }
            RequestOrigin::Client { .. } => {
                let (key, ms) = (KEYS.request_timeout_us, limits.request_timeout_us / 1000);
                let text = format!(
                    "shardlane got no answer from the coordinator within {ms} ms, which is {key}"
                );
                core.give_up_sent(late, &text);
            }
        }
    }
}
