//! Asking the cluster whether it takes a credential: a real login on a real connection.

use std::sync::Arc;

use crate::connect::credential::Credential;
use crate::connect::dial_error::{DialError, ServerError, Step};
use crate::connect::dialer::{Aim, Dialer, OpenedLane};
use crate::connect::handshake_budget::HandshakeBudget;
use crate::connect::pool_key::PoolKey;
use crate::pool::node_target::NodeTarget;
use cql::error_code::ErrorCode;

/// Nodes that are asked before we give up; a client waits.
const NODES_MAX: usize = 3;
/// How errors begin with the code of bad credentials that do not say so: the node could not read
/// its own tables of roles. Cassandra's words, then ScyllaDB's.
const EXCUSES: [&str; 5] = [
    "Unable to perform",
    "Could not verify password",
    "Cannot achieve consistency level",
    "Operation timed out",
    "Operation failed",
];

/// What the cluster says of a credential.
#[derive(Debug)]
pub enum Verification {
    /// It takes it; this is the connection.
    Granted(Box<OpenedLane>),
    /// It does not, in its own words.
    Refused(ServerError),
    /// No node could say.
    Unknown(Option<DialError>),
}

/// Logs in at the first of `targets` that answers. `is_speaking` tells whether a node has asked
/// on: then no other is tried, for the client is in the midst of its answers.
pub async fn verify(
    dialer: &Dialer,
    budget: &HandshakeBudget,
    targets: &[NodeTarget],
    credential: &Arc<Credential>,
    is_speaking: impl Fn() -> bool,
) -> Verification {
    let pool = PoolKey::plain(Some(Arc::clone(credential)));
    let mut last = None;
    for target in targets.iter().take(NODES_MAX) {
        let gate = budget.gate(target.node);
        match Box::pin(dialer.open(target, &gate, &pool, (Aim::Any, 0))).await {
            Ok(lane) => return Verification::Granted(Box::new(lane)),
            Err(DialError::Refused(error, Step::Login)) if is_final(&error) => {
                return Verification::Refused(error);
            }
            Err(error) => last = Some(error),
        }
        if is_speaking() {
            break;
        }
    }
    Verification::Unknown(last)
}

/// Whether an ERROR says that the credential is not taken, rather than that nobody knows.
fn is_final(error: &ServerError) -> bool {
    error.code == ErrorCode::BAD_CREDENTIALS
        && !EXCUSES.iter().any(|begin| error.message.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_cannot_read_its_roles_has_refused_nobody() {
        let says = |code, message: &str| {
            let error = ServerError { code, message: message.to_owned(), body: [].into() };
            is_final(&error)
        };
        for message in [
            "Username and/or password are incorrect",
            "Provided username bob and/or password are incorrect",
            "bob is not permitted to log in",
        ] {
            assert!(says(ErrorCode::BAD_CREDENTIALS, message), "{message}");
            assert!(!says(ErrorCode::SERVER_ERROR, message), "{message}");
        }
        let excuse = "Unable to perform authentication: Cannot achieve consistency level QUORUM";
        assert!(!says(ErrorCode::BAD_CREDENTIALS, excuse));
    }
}
