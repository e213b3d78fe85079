//! OVERLOADED, BOOTSTRAPPING, UNAVAILABLE, SERVER_ERROR: a node did not run a request. Another may.
//!
//! A driver would try its next host. Behind us it has none, so we do that for it: for reads always,
//! and for writes where nothing can have been applied.

use crate::engine::core::core::Core;
use crate::engine::core::message::Message;
use crate::engine::pending::{Pending, Purpose, RESENT_MAX, RequestOrigin};
use crate::upstream::lane::LaneRoute;
use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::response::error::ErrorMessage;
use cql::statement::write_type::WriteType;

/// What Cassandra says while it drains; its connections are about to close.
const SHUTTING_DOWN: &str = "Server is shutting down";
/// How refusals begin that come before the request was looked at. Others of the same code, such as
/// too many hints in flight, may come after some replicas were written.
const NOT_BEGUN: [&str; 3] = [
    SHUTTING_DOWN,
    "request shed due to coordinator overload",
    "too many in-flight requests (configured via",
];

/// What an ERROR of a node means for its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NodeRefusal {
    /// The client gets it.
    Final,
    /// Another node may run the request, within the budget of those that a busy node refused.
    Retry,
    /// Another node may run the request, within the budget of those that a node could not run.
    RetryFailed,
    /// Another node may run the request. It costs the cluster no more than it did before.
    RetryFree,
    /// The same, and the node is about to close the lane.
    NodeLeaves,
}

/// Judges the message of an ERROR that came over a lane.
pub(crate) fn judge(
    core: &Core,
    route: LaneRoute,
    pending: &Pending,
    message: &[u8],
) -> NodeRefusal {
    let RequestOrigin::Client { to, purpose: Purpose::Forward | Purpose::Schema } = pending.origin
    else {
        return NodeRefusal::Final;
    };
    let Ok(error) = ErrorMessage::read(message) else { return NodeRefusal::Final };
    let open = core.clients.get(to.client).is_some();
    if !open || pending.resent >= RESENT_MAX || pending.frame.is_empty() {
        return NodeRefusal::Final;
    }
    let has_begun = || !NOT_BEGUN.iter().any(|begin| error.text.starts_with(begin));
    match error.code {
        ErrorCode::OVERLOADED if !pending.is_read && has_begun() => NodeRefusal::Final,
        ErrorCode::OVERLOADED | ErrorCode::BOOTSTRAPPING
            if error.text.starts_with(SHUTTING_DOWN) =>
        {
            NodeRefusal::NodeLeaves
        }
        ErrorCode::OVERLOADED => NodeRefusal::Retry,
        ErrorCode::BOOTSTRAPPING => NodeRefusal::RetryFree,
        ErrorCode::UNAVAILABLE if is_safe_if_unavailable(core, pending) => {
            once(core, route, pending)
        }
        ErrorCode::SERVER_ERROR if pending.is_read && pending.opcode != Opcode::Prepare => {
            once(core, route, pending)
        }
        _ => NodeRefusal::Final,
    }
}

/// One other node may run the request, if there is one: drivers try one more as well.
fn once(core: &Core, route: LaneRoute, pending: &Pending) -> NodeRefusal {
    let mut nodes = core.pools.lane_map(route.pool).live_nodes();
    if pending.resent == 0 && nodes.any(|node| node != route.node) {
        NodeRefusal::RetryFailed
    } else {
        NodeRefusal::Final
    }
}

/// Whether a request that its coordinator calls UNAVAILABLE has changed nothing. Of a plain write to
/// one partition the replicas are counted before anything is sent. Several partitions are counted one
/// after the other, transactions between their phases as well, and counters after their leader has
/// applied them.
fn is_safe_if_unavailable(core: &Core, pending: &Pending) -> bool {
    if pending.is_read {
        return true;
    }
    if let Some(key) = pending.subject.statement() {
        let known = core.router.catalog.get(key);
        return pending.write_type == WriteType::Simple
            && known
                .is_some_and(|it| WriteType::is_one_partition(&it.statement.text, Some(false)));
    }
    match Message::read(pending.opcode, pending.body()) {
        // The types of its markers are not known here.
        Message::Query(query) => WriteType::is_one_partition(query.text, None),
        Message::Execute(_) | Message::Batch(_) | Message::Other => false,
    }
}
