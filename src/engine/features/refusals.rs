//! OVERLOADED and BOOTSTRAPPING: a node would not run a request. Another may.
//!
//! A driver would try its next host. Behind us it has none, so we do that for it: for reads always,
//! and for writes where the node's own words say that it had not begun.

use crate::engine::core::core::Core;
use crate::engine::pending::{Origin, Pending, Purpose, RESENT_MAX};
use cql::error_code::ErrorCode;
use cql::response::error::ErrorMessage;

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
pub(crate) enum Refusal {
    /// The client gets it.
    Final,
    /// Another node may run the request, within the budget of repeated requests.
    Retry,
    /// Another node may run the request. It costs the cluster no more than it did before.
    RetryFree,
    /// The same, and the node is about to close the lane.
    NodeLeaves,
}

/// Judges the message of a node's ERROR.
pub(crate) fn judge(core: &Core, pending: &Pending, message: &[u8]) -> Refusal {
    let Origin::Client { to, purpose: Purpose::Forward | Purpose::Schema } = pending.origin else {
        return Refusal::Final;
    };
    let Ok(error) = ErrorMessage::read(message) else { return Refusal::Final };
    let refused = match error.code {
        ErrorCode::BOOTSTRAPPING => true,
        ErrorCode::OVERLOADED => {
            pending.is_read || NOT_BEGUN.iter().any(|begin| error.text.starts_with(begin))
        }
        _ => false,
    };
    let open = core.clients.get(to.client).is_some();
    if !refused || !open || pending.resent >= RESENT_MAX || pending.frame.is_empty() {
        Refusal::Final
    } else if error.text.starts_with(SHUTTING_DOWN) {
        Refusal::NodeLeaves
    } else if error.code == ErrorCode::OVERLOADED {
        Refusal::Retry
    } else {
        Refusal::RetryFree
    }
}
