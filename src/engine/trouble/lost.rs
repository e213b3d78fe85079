//! Requests whose answer will not come: their lane is gone, or it took too long.

use crate::engine::engine::Engine;
use crate::engine::pending::{InternalRequest, LaneKey, Origin, Pending, Purpose};
use crate::engine::requests::forward::Outgoing;
use crate::engine::tally::{Outcome, RequestKind};
use crate::routing::decision::Reason;
use crate::upstream::lane::PoolId;
use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::header::HEADER_LEN;
use cql::opcode::Opcode;
use cql::request::batch::Batch;
use cql::request::execute::Execute;
use cql::request::query::Query;
use cql::response::error;
use cql::response::error::Extras;

/// How often a request is sent again at most.
pub(in crate::engine) const RESENT_MAX: u8 = 2;

impl Engine {
    /// A lane is gone. What waited on it is sent elsewhere if it can do no harm, and gets an
    /// answer of ours if it might.
    pub fn on_lane_down(&mut self, key: LaneKey) {
        let Some(mut lane) = self.lanes.remove(key) else { return };
        let was_used = self.pools.remove_lane(lane.route, key);
        if lane.full {
            self.forget_full(key);
        }
        if was_used && self.pools.is_dedicated(lane.home) {
            self.on_home_revoked(lane.home);
        }
        let left = lane.outbox.left_total();
        for pending in self.without_twin(key, lane.ids.take_all()) {
            let unsent = pending.sent_at > left;
            self.on_lost(lane.route.pool, pending, unsent);
        }
    }

    /// Decides what becomes of a request that lost its lane.
    fn on_lost(&mut self, pool: PoolId, pending: Pending, unsent: bool) {
        let (client, purpose) = match pending.origin {
            Origin::Client { client, purpose, .. } => (client, purpose),
            Origin::InternalRequest(internal) => return self.on_errand_lost(internal),
        };
        if self.clients.get(client).is_none() {
            self.give_back(pending.frame);
            return self.on_ended(pending.opcode, Outcome::Abandoned);
        }
        if let Purpose::Use(pool) = purpose {
            return self.retry_use(client, pool, pending);
        }
        let may = !pending.frame.is_empty()
            && ((unsent && pending.resent < RESENT_MAX)
                || (pending.is_read && pending.resent == 0 && self.may_repeat()));
        if may {
            return self.send_again(pool, pending);
        }
        if unsent {
            let text = "shardlane lost the connection before it had sent the request";
            return self.give_up(pending, ErrorCode::OVERLOADED, text);
        }
        self.give_up_lost(pending);
    }

    /// Pays for a request that the cluster gets twice; `false` when the budget is used up.
    pub(in crate::engine) fn may_repeat(&mut self) -> bool {
        self.settle_retry_budget();
        let may = self.retry_budget.take();
        self.tally.retries_refused += u64::from(!may);
        may
    }

    pub(in crate::engine) fn settle_retry_budget(&mut self) {
        let limits = self.settings.limits;
        let requests = self.tally.received.iter().sum();
        let share = (limits.retry_percent, limits.retry_floor_per_s);
        self.retry_budget.settle(share, requests, self.now_us);
    }

    /// Routes a request anew, among the lanes that it was on: its client may have said `USE` since.
    pub(in crate::engine) fn send_again(&mut self, pool: PoolId, pending: Pending) {
        self.tally.resent += 1;
        let outgoing = Outgoing::again(&pending, self.home_of(pending.origin));
        let mut frame = pending.frame;
        if pending.opcode == Opcode::Execute {
            self.route_execute(outgoing, &mut frame);
        } else if pending.opcode == Opcode::Batch {
            self.route_batch(pool, outgoing, &frame);
        } else {
            self.send_anywhere(pool, Reason::LaneLost, outgoing, &frame);
        }
        self.give_back(frame);
    }

    /// Answers a request whose fate is unknown: a read timed out, a write may have run.
    pub(in crate::engine) fn give_up_lost(&mut self, pending: Pending) {
        let Origin::Client { client, stream, .. } = pending.origin else { return };
        let body = pending.frame.get(HEADER_LEN..).unwrap_or_default();
        let consistency = consistency_of(pending.opcode, body);
        let lwt = pending.statement.and_then(|key| self.router.catalog.get(key));
        let write_type = if pending.opcode == Opcode::Batch {
            match Batch::read(body).map(|batch| batch.kind) {
                Ok(0) => "BATCH",
                Ok(2) => "COUNTER",
                Ok(_) | Err(_) => "UNLOGGED_BATCH",
            }
        } else if lwt.is_some_and(|entry| entry.statement.lwt) {
            "CAS"
        } else {
            "SIMPLE"
        };
        if let Some(entry) = self.clients.get_mut(client) {
            let version = entry.session.response_version();
            let mut frame = Vec::new();
            let text = "shardlane got no answer from the coordinator";
            let (received, block_for) = (0, 1);
            if pending.opcode == Opcode::Prepare {
                error::write_error(&mut frame, version, stream, ErrorCode::OVERLOADED, text);
            } else {
                let extras = if pending.is_read {
                    let data_present = false;
                    Extras::ReadTimeout { consistency, received, block_for, data_present }
                } else {
                    Extras::WriteTimeout { consistency, received, block_for, write_type }
                };
                error::write_error_with(&mut frame, version, stream, text, &extras);
            }
            entry.session.send(&frame);
            self.touch_client(client);
        }
        self.tally.on_ended(RequestKind::of(pending.opcode), Outcome::Refused);
        self.leave(client);
        self.give_back(pending.frame);
    }

    /// Answers a request with an ERROR of ours, whatever it was.
    pub(in crate::engine) fn give_up(&mut self, pending: Pending, code: ErrorCode, text: &str) {
        match pending.origin {
            Origin::Client { client, stream, purpose } => {
                self.leave(client);
                self.refuse((client, stream), RequestKind::of(pending.opcode), code, text);
                self.give_back(pending.frame);
                if let Purpose::Use(_) = purpose {
                    self.on_use_ended(client);
                }
            }
            Origin::InternalRequest(internal) => self.on_errand_lost(internal),
        }
    }

    /// What we asked for ourselves will not be answered.
    pub(in crate::engine) fn on_errand_lost(&mut self, internal: InternalRequest) {
        match internal {
            InternalRequest::Reprepare(number) => self.on_reprepare_lost(number),
            InternalRequest::LocalTrace(number) => self.on_trace(number, None),
            InternalRequest::Spread | InternalRequest::Heartbeat => {}
            InternalRequest::SchemaVersion { round, node } => {
                self.on_schema_version(round, node, None);
            }
        }
    }
}

/// The consistency of a request; ONE when it has none.
pub(in crate::engine) fn consistency_of(opcode: Opcode, body: &[u8]) -> Consistency {
    let consistency = if opcode == Opcode::Execute {
        Execute::read(body).map(|execute| execute.parameters.consistency)
    } else if opcode == Opcode::Query {
        Query::read(body).map(|query| query.parameters.consistency)
    } else if opcode == Opcode::Batch {
        Batch::read(body).and_then(|batch| batch.tail()).map(|tail| tail.consistency)
    } else {
        Ok(Consistency::One)
    };
    consistency.unwrap_or(Consistency::One)
}
