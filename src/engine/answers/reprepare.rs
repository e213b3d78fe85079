//! UNPREPARED: the node forgot a statement. We prepare it there again and repeat the request.
//!
//! That is safe only while the statement still returns the columns that the client holds: rows
//! come without metadata. Else the client gets UNPREPARED and prepares anew itself. The id in the
//! error is never trusted: some servers answer a request that they misread with an id of their own.

use std::sync::Arc;

use crate::engine::answers::deliver::{Broken, Response};
use crate::engine::engine::Engine;
use crate::engine::pending::{InternalRequest, LaneKey, Origin, Pending};
use crate::engine::requests::forward::Outgoing;
use crate::engine::tally::Outcome;
use crate::engine::trouble::lost::RESENT_MAX;
use crate::routing::decision::{Decision, Reason};
use crate::routing::policy::LaneView;
use crate::routing::statement::Statement;
use crate::topology::id::NodeId;
use crate::upstream::lane::{LaneRoute, PoolId};
use cql::frame::write_frame;
use cql::header::HEADER_LEN;
use cql::notation::{Reader, put_long_string};
use cql::opcode::Opcode;
use cql::request::batch::{Batch, ChildStatement};
use cql::request::execute;
use cql::request::execute::Execute;
use cql::response::prepared::Prepared;
use cql::response::result::ResultKind;

/// A request that waits until its statement is prepared again.
#[derive(Debug)]
pub struct Parked {
    pending: Pending,
    route: LaneRoute,
    statement: Arc<Statement>,
    /// What the client gets if that fails: the node's UNPREPARED as it came.
    refusal: Vec<u8>,
}

impl Engine {
    /// A node answered UNPREPARED.
    pub(in crate::engine) fn on_unprepared(
        &mut self,
        route: LaneRoute,
        pending: Pending,
        response: &Response<'_>,
    ) -> Result<(), Broken> {
        let Origin::Client { client, stream, .. } = pending.origin else { return Ok(()) };
        let statement = self.forgotten(&pending, response.message());
        let lane = statement.as_ref().and_then(|statement| {
            let home = self.home_of(pending.origin);
            let pool = self.pools.of_keyspace(home, statement.keyspace.as_deref())?;
            let (_, lanes) = self.field(pool);
            lanes.lane_of_node(route.node)
        });
        let open = self.clients.get(client).is_some();
        let may = open && pending.resent < RESENT_MAX && !pending.frame.is_empty();
        let (Some(statement), Some(lane), true) = (statement, lane, may) else {
            self.deliver((client, stream), &pending, Outcome::Failed, response);
            self.give_back(pending.frame);
            return Ok(());
        };
        let refusal = self.frame_for(client, stream, response);
        let parked = Parked { pending, route, statement, refusal };
        let Some(parked) = self.park_beside(parked) else { return Ok(()) };
        let number = self.next_number();
        if self.send_prepare(lane, &parked.statement.text, InternalRequest::Reprepare(number)) {
            self.parked.insert(number, vec![parked]);
        } else {
            self.refuse_parked(parked);
        }
        Ok(())
    }

    /// Lets a request wait for a PREPARE that its node is at already: when a table changes, all
    /// requests in flight find their statement forgotten at once.
    fn park_beside(&mut self, parked: Parked) -> Option<Parked> {
        let home = self.pools.home(parked.route.pool);
        let same = |first: &Parked| {
            first.route.node == parked.route.node
                && self.pools.home(first.route.pool) == home
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

    /// The statement that a node does not know: the one that this very request names.
    fn forgotten(&mut self, pending: &Pending, message: &[u8]) -> Option<Arc<Statement>> {
        let body = pending.frame.get(HEADER_LEN..)?;
        let id = match pending.opcode == Opcode::Execute {
            true => Execute::read(body).ok()?.id,
            false => {
                let mut reader = Reader::new(message);
                reader.int().ok()?;
                reader.string().ok()?;
                let named = reader.short_bytes().ok()?;
                let batch = Batch::read(body).ok()?;
                let mut ids = batch.children().filter_map(|child| match child.ok()?.statement {
                    ChildStatement::Prepared(id) => Some(id),
                    ChildStatement::Text(_) => None,
                });
                ids.find(|id| *id == named)?
            }
        };
        let (_, entry) = self.router.catalog.find(id)?;
        Some(Arc::clone(&entry.statement))
    }

    /// Sends PREPARE for ourselves.
    pub(in crate::engine) fn send_prepare(
        &mut self,
        lane: LaneKey,
        text: &str,
        internal: InternalRequest,
    ) -> bool {
        let mut frame = Vec::new();
        write_frame(&mut frame, (4, 0, 0), Opcode::Prepare, |out| put_long_string(out, text));
        let outgoing = self.outgoing(Origin::InternalRequest(internal), Opcode::Prepare);
        self.send(lane, outgoing, &frame)
    }

    /// The node answered our PREPARE.
    pub(in crate::engine) fn on_reprepared(&mut self, number: u64, response: &Response<'_>) {
        let Some(waiting) = self.parked.remove(&number) else { return };
        let Some(statement) = waiting.first().map(|parked| Arc::clone(&parked.statement)) else {
            return;
        };
        let message = response.message();
        let same = response.header.opcode == Opcode::Result.byte()
            && ResultKind::read(message) == Ok(ResultKind::Prepared)
            && Prepared::read(4, message).is_ok_and(|prepared| {
                prepared.id == &*statement.id
                    && prepared.result_metadata == &*statement.result_metadata
            });
        self.tally.reprepared += u64::from(same);
        if !same && let Some((key, _)) = self.router.catalog.find(&statement.id) {
            self.router.catalog.on_columns_changed(key);
        }
        for parked in waiting {
            if same {
                self.unpark(parked);
            } else {
                self.refuse_parked(parked);
            }
        }
    }

    /// A node that prepared a statement with other columns answers everybody with those.
    fn compare_columns(&mut self, response: &Response<'_>) {
        let message = response.message();
        if response.header.opcode == Opcode::Result.byte()
            && ResultKind::read(message) == Ok(ResultKind::Prepared)
            && let Ok(prepared) = Prepared::read(4, message)
        {
            self.router.catalog.compare(prepared.id, prepared.result_metadata);
        }
    }

    /// Sends a request again to the shard that asked for its statement.
    fn unpark(&mut self, parked: Parked) {
        let Parked { mut pending, route, .. } = parked;
        if self.is_abandoned(&pending) {
            return;
        }
        self.ask_for_new_metadata(&mut pending);
        let lane = self.lane_at(route);
        let Some(lane) = lane else { return self.send_again(route.pool, pending) };
        let outgoing = Outgoing::again(&pending, self.home_of(pending.origin));
        let frame = std::mem::take(&mut pending.frame);
        let decision = Decision { lane, reason: Reason::Reprepared };
        self.send_or_refuse(Some(decision), outgoing, &frame);
        self.give_back(frame);
    }

    /// The node went away before it prepared the statement. It did not run the request either.
    pub(in crate::engine) fn on_reprepare_lost(&mut self, number: u64) {
        for parked in self.parked.remove(&number).into_iter().flatten() {
            if self.is_abandoned(&parked.pending) {
                continue;
            }
            if parked.pending.resent < RESENT_MAX {
                self.send_again(parked.route.pool, parked.pending);
            } else {
                self.refuse_parked(parked);
            }
        }
    }

    /// Whether a request's client has left; then the request ends here.
    fn is_abandoned(&mut self, pending: &Pending) -> bool {
        let Origin::Client { client, .. } = pending.origin else { return false };
        let abandoned = self.clients.get(client).is_none();
        if abandoned {
            self.on_ended(pending.opcode, Outcome::Abandoned);
        }
        abandoned
    }

    /// The client of an EXECUTE may hold older columns than those that the node prepared now.
    fn ask_for_new_metadata(&self, pending: &mut Pending) {
        let entry = pending.statement.and_then(|key| self.router.catalog.get(key));
        if pending.opcode == Opcode::Execute && entry.is_none_or(|entry| entry.changed) {
            execute::ask_for_metadata(pending.frame.get_mut(HEADER_LEN..).unwrap_or_default());
        }
    }

    /// The number of a pool will stand for another keyspace; `instead` has the same rights.
    pub(in crate::engine) fn forget_parked_route(&mut self, pool: PoolId, instead: PoolId) {
        for parked in self.parked.values_mut().flatten().filter(|parked| parked.route.pool == pool)
        {
            parked.route.pool = instead;
        }
    }

    /// Gives the client the node's own UNPREPARED.
    fn refuse_parked(&mut self, parked: Parked) {
        let Parked { pending, refusal, .. } = parked;
        if let Origin::Client { client, .. } = pending.origin {
            let request = (pending.opcode, pending.arrived_us);
            self.deliver_frame(client, request, Outcome::Failed, &refusal);
        }
        self.give_back(pending.frame);
    }

    /// The lane to a shard, or another to its node.
    fn lane_at(&mut self, route: LaneRoute) -> Option<LaneKey> {
        let LaneRoute { node, shard, pool, .. } = route;
        let (_, lanes) = self.field(pool);
        lanes.lane(node, shard).map(|(lane, _)| lane).or_else(|| lanes.lane_of_node(node))
    }

    /// What we asked for ourselves was answered.
    pub(in crate::engine) fn on_internal_answered(
        &mut self,
        route: LaneRoute,
        internal: InternalRequest,
        response: &Response<'_>,
    ) {
        self.compare_columns(response);
        match internal {
            InternalRequest::Reprepare(number) => self.on_reprepared(number, response),
            InternalRequest::LocalTrace(number) => self.on_trace_answer(number, response),
            InternalRequest::Spread | InternalRequest::Heartbeat => {}
            InternalRequest::SchemaVersion { round, node } => {
                debug_assert_eq!(route.node, node, "a lane stays at its node");
                self.on_schema_answer(round, node, response);
            }
        }
    }

    /// Nodes that have a lane in a pool, but for one.
    pub(in crate::engine) fn other_nodes(&self, pool: PoolId, but: Option<NodeId>) -> Vec<NodeId> {
        let nodes = self.pools.lane_map(pool).live_nodes();
        nodes.filter(|node| Some(*node) != but).collect()
    }
}
