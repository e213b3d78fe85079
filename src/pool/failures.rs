//! What a try that failed means: for its node, for the log, and for clients that wait for its pool.

use crate::engine::engine::Engine;
use crate::pool::action::{PoolAction, PoolNotice};
use crate::pool::connection::{DialFailure, DialId, FailureKind, NodeError, RefusedStep};
use crate::pool::nodes::node_state::Outage;
use crate::pool::pool_manager::PoolManager;
use crate::pool::refill::lane_slots::Dial;
use crate::pool::refill::refiller::RefillerKey;
use crate::upstream::lane::{LANE_RESPONSE, PoolId};
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::opcode::Opcode;

/// What to do about a shard-aware port that does not answer.
const CLOSED_PORT_HINT: &str = "let connections from here pass to the node's shard-aware port \
     (native_shard_aware_transport_port), or set lanes.shard_aware_port to false: each shard is found \
     by trial at the plain port meanwhile";

impl PoolManager {
    pub(super) fn on_failed(
        &mut self,
        engine: &mut Engine,
        key: RefillerKey,
        id: DialId,
        failure: &DialFailure,
    ) {
        self.orders.forget(id);
        let now_ms = self.now_ms();
        let Some(refiller) = self.refillers.get_mut(&key) else { return };
        let dial = refiller.on_failed(id, failure, now_ms);
        let target = *refiller.target();
        let (reason, hint) = (failure.reason.clone(), failure.hint.clone());
        let notice = match (&failure.kind, dial) {
            // Its client gets the node's own ERROR.
            (FailureKind::Refused(RefusedStep::Use, _), _) => None,
            (FailureKind::Broken, Dial::Any) => match refiller.node().on_unreachable(now_ms) {
                Some(Outage::Lost) => Some(PoolNotice::NodeLost { target, reason, hint }),
                Some(Outage::StillAway { away_ms }) => {
                    Some(PoolNotice::NodeAway { target, reason, away_s: away_ms / 1_000 })
                }
                Some(Outage::Back { .. }) | None => None,
            },
            // The node may be down, too: the plain port, which is tried next, shows that.
            (FailureKind::Broken, Dial::Shard { .. }) => None,
            (FailureKind::NoSourcePort | FailureKind::Refused(..), _) => {
                let is_logged = refiller.node().is_refusal_logged(now_ms);
                is_logged.then_some(PoolNotice::NoLane { target, reason, hint })
            }
        };
        if let Some(notice) = notice {
            self.orders.push(PoolAction::Log(notice));
        }
        self.on_lane_refused(engine, key, failure);
        self.pump(key);
    }

    /// The plain port of a node answers, and its shard-aware port does not.
    pub(super) fn on_closed_port(&mut self, key: RefillerKey, reason: String) {
        let now_ms = self.now_ms();
        let Some(refiller) = self.refillers.get(&key) else { return };
        if refiller.node().is_refusal_logged(now_ms) {
            let (target, hint) = (*refiller.target(), CLOSED_PORT_HINT.to_owned());
            self.orders.push(PoolAction::Log(PoolNotice::NoLane { target, reason, hint }));
        }
    }

    /// Clients that wait for a keyspace that does not exist get the node's ERROR.
    fn on_lane_refused(&mut self, engine: &mut Engine, key: RefillerKey, failure: &DialFailure) {
        let pool = PoolId(key.pool);
        let base = engine.base_of(pool);
        let FailureKind::Refused(what, error) = &failure.kind else {
            return self.confirm_keyspace(pool);
        };
        // Any other ERROR is a matter of this node, or of this moment.
        let is_verdict = *what == RefusedStep::Use && error.code == ErrorCode::INVALID;
        if !is_verdict {
            self.confirm_keyspace(pool);
        }
        if pool == PoolId::PLAIN {
            return;
        }
        if *what == RefusedStep::Login {
            return self.logins.on_refused(base, key.node);
        }
        if pool != base && is_verdict {
            engine.on_pool_failed(pool, Some(&error_frame(error)));
        }
    }
}

fn error_frame(error: &NodeError) -> Vec<u8> {
    let mut frame = Vec::new();
    write_frame(
        &mut frame,
        FrameHead { version: LANE_RESPONSE, flags: 0, stream: 0 },
        Opcode::Error,
        |out| {
            out.extend_from_slice(&error.body);
        },
    );
    frame
}
