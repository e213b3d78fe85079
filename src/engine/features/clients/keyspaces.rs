//! `USE`: the lanes of each keyspace that a client uses.
//!
//! A keyspace belongs to a connection, so statements by text need lanes that said the same `USE`.
//! They are opened when the first client asks, one to each node, and to a shard when requests ask
//! for it; the node's own answer to `USE` is what the client gets. An EXECUTE does not need them: its
//! id fixes the table. Apache Cassandra warns all the same.

use std::mem;
use std::sync::Arc;

use crate::engine::client::{ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::core::pools::WaitingUse;
use crate::engine::core::reply::Ended;
use crate::engine::core::todo::{Todo, UseRequest};
use crate::engine::limits::KEYS;
use crate::engine::pending::{LaneKey, Outgoing, Pending, Purpose, RequestOrigin, Subject};
use crate::engine::view::tally::{Outcome, RequestKind};
use crate::routing::decision::Reason;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;
use cql::error_code::ErrorCode;
use cql::frame;
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::statement::write_type::WriteType;

/// The lanes of a keyspace, or of a credential, that no client uses for this long are closed, µs.
const IDLE_US_MAX: u64 = 60_000_000;
/// How long a `USE` waits for a lane where requests have no bound, µs: there is no node yet whose
/// signs of life could be looked at.
const WAIT_US_MAX: u64 = 15_000_000;

/// A client says `USE`, by this frame of a QUERY. What it sends after that waits until the answer
/// is there.
pub(crate) fn on_use(core: &mut Core, to: ClientStream, keyspace: &str, frame: Vec<u8>) {
    let outgoing = core.begin(to, Opcode::Query);
    if let Some(entry) = core.clients.get_mut(to.client) {
        entry.switching = Some(Vec::new());
    }
    let base = outgoing.base;
    if core.pools.is_dedicated(base) {
        let outgoing = Outgoing { origin: use_of(to, base), ..outgoing };
        let reason = Reason::Dedicated;
        core.todo.push_back(Todo::SendUse(UseRequest { pool: base, reason, outgoing, frame }));
        return core.pause_if_needed(to.client);
    }
    let pool = core.pools.of_keyspace(base, Some(keyspace));
    let Some(pool) = pool.or_else(|| open_pool(core, base, keyspace)) else {
        let (key, max) = (KEYS.keyspaces_max, core.settings.limits.keyspaces_max);
        let text =
            format!("shardlane cannot use keyspace '{keyspace}': {max} are in use, which is {key}");
        core.leave(to.client);
        core.refuse(to, RequestKind::Query, ErrorCode::OVERLOADED, &text);
        return core.end_use(to.client, Purpose::Use(base));
    };
    wait(core, pool, WaitingUse { from: to, frame, since_us: core.now_us });
    core.pause_if_needed(to.client);
}

fn use_of(to: ClientStream, pool: PoolId) -> RequestOrigin {
    RequestOrigin::Client { to, purpose: Purpose::Use(pool) }
}

fn wait(core: &mut Core, pool: PoolId, waiting: WaitingUse) {
    if let Some(entry) = core.pools.get_mut(pool) {
        entry.waiting.push(waiting);
    }
    send_waiting(core, pool);
}

fn open_pool(core: &mut Core, base: PoolId, keyspace: &str) -> Option<PoolId> {
    if core.pools.keyspaces_in_use(base) >= core.settings.limits.keyspaces_max {
        let own = |pool: &PoolId| *pool != base && core.pools.base(*pool) == base;
        let idle = idle_pools(core).into_iter().find(own)?;
        core.close_pool(idle);
    }
    core.open_pool(base, keyspace)
}

/// Sends the `USE` requests that waited for a lane of the pool, if there is one.
pub(crate) fn send_waiting(core: &mut Core, id: PoolId) {
    if core.pools.lane_map(id).live().is_empty() {
        return;
    }
    let Some(pool) = core.pools.get_mut(id) else { return };
    for WaitingUse { from, frame, since_us } in mem::take(&mut pool.waiting) {
        let Some(client) = core.clients.get(from.client) else {
            core.tally.on_request_ended(Opcode::Query, Outcome::Abandoned);
            continue;
        };
        let outgoing = Outgoing {
            origin: use_of(from, id),
            base: client.base,
            opcode: Opcode::Query,
            is_read: false,
            is_bare: false,
            resent: 0,
            arrived_us: since_us,
            subject: Subject::Unknown,
            write_type: WriteType::Unknown,
        };
        let request = UseRequest { pool: id, reason: Reason::Text, outgoing, frame };
        core.todo.push_back(Todo::SendUse(request));
    }
}

/// The lane of a `USE` is gone: it waits for the next. Hands the request back when there will be
/// none.
pub(crate) fn retry(
    core: &mut Core,
    to: ClientStream,
    pool: PoolId,
    pending: Pending,
) -> Option<Pending> {
    if !core.pools.is_open(pool) || pending.frame.is_empty() {
        return Some(pending);
    }
    let since_us = pending.arrived_us;
    wait(core, pool, WaitingUse { from: to, frame: pending.frame, since_us });
    None
}

/// A node accepted a client's `USE`, whose last byte is at `sent_at` of its lane's outbox.
pub(crate) fn on_keyspace_set(
    core: &mut Core,
    client: ClientKey,
    pool: PoolId,
    sent_at: u64,
    message: &[u8],
) {
    let name = message.get(4..).and_then(|body| Reader::new(body).string().ok());
    if let (Some(entry), Some(name)) = (core.clients.get_mut(client), name) {
        entry.session.keyspace = Some(name.into());
        entry.about.uses_console = false;
        entry.pool = pool;
        core.pools.set_keyspace(pool, name, sent_at);
    }
}

/// No lane of a pool could be opened; `refusal` is the node's ERROR frame that says that there is no
/// such keyspace. That is a verdict for clients that want to use it. Clients that are in it stay
/// there: they get the node's words while it is gone, and go on once it is back.
pub(crate) fn on_pool_failed(core: &mut Core, id: PoolId, refusal: Option<&[u8]>) {
    let Some(pool) = core.pools.get_mut(id) else { return };
    if !pool.lane_map.live().is_empty() || id == PoolId::PLAIN {
        return;
    }
    let waiting = mem::take(&mut pool.waiting);
    if let Some(refusal) = refusal {
        pool.refusal = Some(refusal.into());
        let is_used = core.clients.iter().any(|(_, client)| client.pool == id);
        if !is_used {
            core.close_pool(id);
        }
    }
    for waiting in waiting {
        match refusal {
            Some(refusal) => pass_refusal(core, waiting.from, Opcode::Query, refusal),
            None => core.refuse_waiting(id, &waiting),
        }
        core.end_use(waiting.from.client, Purpose::Use(id));
    }
}

/// The refusal of the keyspace that a client is in, which is gone.
pub(crate) fn refusal_of(core: &Core, client: ClientKey) -> Option<Arc<[u8]>> {
    let client = core.clients.get(client).filter(|client| client.pool != client.base)?;
    core.pools.get(client.pool)?.refusal.clone()
}

/// Answers a request by a node's ERROR frame.
pub(crate) fn pass_refusal(core: &mut Core, to: ClientStream, opcode: Opcode, refusal: &[u8]) {
    let mut answer = refusal.to_vec();
    frame::patch_stream(&mut answer, to.stream);
    if let (Some(entry), Some(version)) = (core.clients.get(to.client), answer.first_mut()) {
        *version = entry.session.response_version();
    }
    let outcome = Outcome::Failed;
    core.deliver_frame(to.client, Ended { opcode, arrived_us: core.now_us, outcome }, &answer);
}

/// Gives up on `USE` requests that found no lane in time.
pub(crate) fn expire_waiting(core: &mut Core) {
    let timeout = core.settings.limits.request_us_max().unwrap_or(WAIT_US_MAX);
    let now = core.now_us;
    let old = |waiting: &WaitingUse| now.saturating_sub(waiting.since_us) >= timeout;
    for id in core.pools.ids() {
        if core.pools.get(id).is_some_and(|pool| pool.waiting.iter().any(old)) {
            on_pool_failed(core, id, None);
        }
    }
}

/// Closes the lanes of keyspaces and credentials that no client has used for a while.
pub(crate) fn close_idle(core: &mut Core) {
    if core.pools.ids().nth(1).is_none() {
        return;
    }
    let idle = idle_pools(core);
    let now = core.now_us;
    for id in core.pools.ids() {
        let Some(pool) = core.pools.get_mut(id) else { continue };
        if !idle.contains(&id) {
            pool.idle_since_us = None;
        } else if pool.idle_since_us.is_none() {
            pool.idle_since_us = Some(now);
        }
    }
    for id in idle {
        let since = core.pools.get(id).and_then(|pool| pool.idle_since_us);
        if since.is_some_and(|since| now.saturating_sub(since) >= IDLE_US_MAX) {
            for own in core.pools.of_base(id) {
                core.close_pool(own);
            }
            core.close_pool(id);
        }
    }
}

/// Pools that no client uses and that have nothing in flight.
fn idle_pools(core: &Core) -> Vec<PoolId> {
    let mut busy = vec![false; core.pools.ids().count()];
    for (_, client) in core.clients.iter() {
        for used in [client.pool, client.base] {
            if let Some(busy) = busy.get_mut(usize::from(used.0)) {
                *busy = true;
            }
        }
    }
    let quiet = |(_, lane): &(NodeId, LaneKey)| {
        core.lanes.get(*lane).is_none_or(|lane| lane.ids.in_flight() == 0)
    };
    let idle = core.pools.iter().zip(busy).skip(1).filter(|((_, pool), busy)| {
        let awaited = !pool.waiting.is_empty() || !pool.logged_in.is_empty();
        !busy && !pool.closed && !awaited && pool.lane_map.live().iter().all(quiet)
    });
    idle.map(|((id, _), _)| id).collect()
}
