//! UNPREPARED: the node forgot a statement. We prepare it there again and repeat the request.
//!
//! That is safe only while the statement still returns the columns that the client holds: rows
//! come without metadata. Otherwise the client gets UNPREPARED and prepares again itself. The id in
//! the error is never trusted: some servers answer a request that they misread with another id.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::client::ClientStream;
use crate::engine::core::core::Core;
use crate::engine::core::reply::Ended;
use crate::engine::core::reply::Response;
use crate::engine::core::todo::Todo;
use crate::engine::pending::{InternalRequest, LaneKey, Pending, RESENT_MAX, RequestOrigin};
use crate::engine::view::tally::Outcome;
use crate::routing::policy::LaneCandidates;
use crate::routing::statement::Statement;
use crate::upstream::lane::{Lane, LaneRoute, PoolId};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::request::batch::{Batch, ChildStatement};
use cql::request::execute;
use cql::request::execute::Execute;
use cql::response::prepared::Prepared;
use cql::response::result::ResultKind;

/// Requests that wait until their statement is prepared again.
#[derive(Debug, Default)]
pub(crate) struct Reprepare {
    /// By the number of the PREPARE that they wait for.
    parked: HashMap<u64, Vec<Parked>>,
    /// The last number given.
    number: u64,
}

/// A request that waits until its statement is prepared again.
#[derive(Debug)]
struct Parked {
    to: ClientStream,
    pending: Pending,
    route: LaneRoute,
    statement: Arc<Statement>,
    /// What the client gets if that fails: the node's UNPREPARED as it came.
    refusal: Vec<u8>,
}

impl Reprepare {
    /// A node answered a client's request with UNPREPARED. Hands the request back if the client is
    /// to get that answer.
    pub(crate) fn on_unprepared(
        &mut self,
        core: &mut Core,
        route: LaneRoute,
        pending: Pending,
        response: &Response<'_>,
    ) -> Option<Pending> {
        let RequestOrigin::Client { to, .. } = pending.origin else { return Some(pending) };
        let open = core.clients.get(to.client).is_some();
        let may = open && pending.resent < RESENT_MAX && !pending.frame.is_empty();
        let statement = forgotten(core, &pending, response.message()).filter(|_| may);
        let Some(statement) = statement else { return Some(pending) };
        let base = core.base_of(pending.origin);
        // A client's own connection is its only lane, and may have said `USE` since: whether the
        // statement is the same there, its id says.
        let pool = match core.pools.is_dedicated(base) {
            true => Some(base),
            false => core.pools.of_keyspace(base, statement.keyspace.as_deref()),
        };
        let lane = pool.and_then(|pool| core.lanes_of(pool).lane_of_node(route.node));
        let Some(lane) = lane else {
            let Some(lane) = pool.and_then(|pool| lane_elsewhere(core, route, pool)) else {
                return Some(pending);
            };
            core.tally.resent += 1;
            core.todo.push_back(Todo::SendAgain { lane, pending });
            return None;
        };
        let refusal = core.frame_for(to, response);
        let parked = Parked { to, pending, route, statement, refusal };
        let parked = self.park_beside(core, parked)?;
        self.number += 1;
        let request = InternalRequest::Reprepare(self.number);
        if core.send_prepare(lane, &parked.statement.text, request) {
            self.parked.insert(self.number, vec![parked]);
        } else {
            refuse(core, parked);
        }
        None
    }

    /// Lets a request wait for a PREPARE that its node has got already: when a table changes, all
    /// requests in flight find their statement forgotten at once.
    fn park_beside(&mut self, core: &Core, parked: Parked) -> Option<Parked> {
        let base = core.pools.base(parked.route.pool);
        let same = |first: &Parked| {
            first.route.node == parked.route.node
                && core.pools.base(first.route.pool) == base
                && Arc::ptr_eq(&first.statement, &parked.statement)
        };
        match self.parked.values_mut().find(|waiting| waiting.first().is_some_and(same)) {
            Some(waiting) => {
                waiting.push(parked);
                None
            }
            None => Some(parked),
        }
    }

    /// The node answered our PREPARE.
    pub(crate) fn on_answer(&mut self, core: &mut Core, number: u64, response: &Response<'_>) {
        let Some(waiting) = self.parked.remove(&number) else { return };
        let Some(statement) = waiting.first().map(|parked| Arc::clone(&parked.statement)) else {
            return;
        };
        let message = response.message();
        let is_prepared = response.header.opcode == Opcode::Result.byte()
            && ResultKind::read(message) == Ok(ResultKind::Prepared);
        let prepared = Prepared::read(4, message).ok().filter(|_| is_prepared);
        // In another keyspace the same text is another statement, and says nothing of this one.
        let is_another = prepared.as_ref().is_some_and(|prepared| prepared.id != &*statement.id);
        let same = !is_another
            && prepared
                .is_some_and(|prepared| prepared.result_metadata == &*statement.result_metadata);
        core.tally.reprepared += u64::from(same);
        if !same
            && !is_another
            && let Some((key, _)) = core.router.catalog.find(&statement.id)
        {
            core.router.catalog.on_columns_changed(key);
        }
        for parked in waiting {
            if same {
                unpark(core, parked);
            } else {
                refuse(core, parked);
            }
        }
    }

    /// The node went away before it prepared the statement. It did not run the requests either.
    pub(crate) fn on_lost(&mut self, core: &mut Core, number: u64) {
        for parked in self.parked.remove(&number).into_iter().flatten() {
            if is_abandoned(core, &parked) {
                continue;
            }
            if parked.pending.resent < RESENT_MAX {
                let Parked { pending, route, .. } = parked;
                core.todo.push_back(Todo::RouteAgain { pool: route.pool, pending, avoided: None });
            } else {
                refuse(core, parked);
            }
        }
    }

    /// The id of a pool will stand for another; `instead` has the same rights.
    pub(crate) fn on_pool_closed(&mut self, pool: PoolId, instead: PoolId) {
        for parked in self.parked.values_mut().flatten().filter(|parked| parked.route.pool == pool)
        {
            parked.route.pool = instead;
        }
    }
}

/// The statement that a node does not know: the one that this very request names.
fn forgotten(core: &Core, pending: &Pending, message: &[u8]) -> Option<Arc<Statement>> {
    let id = match pending.opcode == Opcode::Execute {
        true => Execute::read(pending.body()).ok()?.id,
        false => {
            let mut reader = Reader::new(message);
            reader.int().ok()?;
            reader.string().ok()?;
            let named = reader.short_bytes().ok()?;
            let batch = Batch::read(pending.body()).ok()?;
            let mut ids = batch.children().filter_map(|child| match child.ok()?.statement {
                ChildStatement::Prepared(id) => Some(id),
                ChildStatement::Text(_) => None,
            });
            ids.find(|id| *id == named)?
        }
    };
    core.router.catalog.peek(id).map(Arc::clone)
}

/// The least busy lane to another node, one that has a lane of `pool`, the keyspace of the statement:
/// there it can be prepared. A node that comes back gets its plain lanes and those of each keyspace
/// one by one.
fn lane_elsewhere(core: &mut Core, route: LaneRoute, pool: PoolId) -> Option<LaneKey> {
    let nodes = core.pools.nodes(pool).into_iter().filter(|node| *node != route.node);
    let lanes = nodes.filter_map(|node| core.lanes_of(route.pool).lane_of_node(node));
    let lanes: Vec<LaneKey> = lanes.collect();
    lanes.into_iter().min_by_key(|lane| core.lanes.get(*lane).and_then(Lane::load))
}

/// Sends a request again to the shard that asked for its statement.
fn unpark(core: &mut Core, parked: Parked) {
    if is_abandoned(core, &parked) {
        return;
    }
    let Parked { mut pending, route, .. } = parked;
    ask_for_new_metadata(core, &mut pending);
    let todo = match lane_at(core, route) {
        Some(lane) => Todo::SendAgain { lane, pending },
        None => Todo::RouteAgain { pool: route.pool, pending, avoided: None },
    };
    core.todo.push_back(todo);
}

/// The client of an EXECUTE may hold older columns than those that the node prepared now.
fn ask_for_new_metadata(core: &Core, pending: &mut Pending) {
    let entry = pending.subject.statement().and_then(|key| core.router.catalog.get(key));
    if pending.opcode == Opcode::Execute && entry.is_none_or(|entry| entry.changed) {
        execute::ask_for_metadata(pending.body_mut());
    }
}

/// Whether a request's client has left; then the request ends here.
fn is_abandoned(core: &mut Core, parked: &Parked) -> bool {
    let abandoned = core.clients.get(parked.to.client).is_none();
    if abandoned {
        core.tally.on_request_ended(parked.pending.opcode, Outcome::Abandoned);
    }
    abandoned
}

/// Gives the client the node's own UNPREPARED.
fn refuse(core: &mut Core, parked: Parked) {
    let Parked { to, pending, refusal, .. } = parked;
    let (opcode, arrived_us) = (pending.opcode, pending.arrived_us);
    let ended = Ended { opcode, arrived_us, outcome: Outcome::Failed };
    core.deliver_frame(to.client, ended, &refusal);
    core.spare.give_back(pending.frame);
}

/// The lane to a shard, or another to its node.
fn lane_at(core: &mut Core, route: LaneRoute) -> Option<LaneKey> {
    let LaneRoute { node, shard, pool, .. } = route;
    let lanes = core.lanes_of(pool);
    lanes.lane(node, shard).map(|(lane, _)| lane).or_else(|| lanes.lane_of_node(node))
}
