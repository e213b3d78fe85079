//! OVERLOADED and BOOTSTRAPPING: a node would not run a request. Another may.
//!
//! A driver would try its next host. Behind us it has none, so we do that for it: reads always,
//! and writes where the node's own words tell that it had not begun.

use crate::engine::engine::Engine;
use crate::engine::pending::{Origin, Pending, Purpose};
use crate::engine::trouble::lost::RESENT_MAX;
use crate::upstream::lane::LaneRoute;
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

impl Engine {
    /// A node answered with an ERROR. Sends the request elsewhere if the node did not run it and
    /// says so; hands it back if its client is to be told.
    pub(in crate::engine) fn retry_refused(
        &mut self,
        route: LaneRoute,
        pending: Pending,
        message: &[u8],
    ) -> Option<Pending> {
        let Origin::Client { client, purpose: Purpose::Forward, .. } = pending.origin else {
            return Some(pending);
        };
        let Ok(error) = ErrorMessage::read(message) else { return Some(pending) };
        let refused = match error.code {
            ErrorCode::BOOTSTRAPPING => true,
            ErrorCode::OVERLOADED => {
                pending.is_read || NOT_BEGUN.iter().any(|begin| error.text.starts_with(begin))
            }
            _ => false,
        };
        let open = self.clients.get(client).is_some();
        if !refused || !open || pending.resent >= RESENT_MAX || pending.frame.is_empty() {
            return Some(pending);
        }
        let leaves = error.text.starts_with(SHUTTING_DOWN);
        // What is lost to a node that leaves is no more than it ran before.
        if error.code == ErrorCode::OVERLOADED && !leaves && !self.may_repeat() {
            return Some(pending);
        }
        if leaves && let Some(lane) = self.pools.lane_map(route.pool).lane(route.node, route.shard)
        {
            self.retire_lane(lane);
        }
        // It would be the least busy of all, as it refuses at once.
        self.avoided = Some(route.node);
        self.send_again(route.pool, pending);
        self.avoided = None;
        None
    }
}
