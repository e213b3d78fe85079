//! Log lines about logins: clients cause them as often as they like, so each kind comes once in a while.

use crate::collections::log_throttle::LogThrottle;

/// What lets these lines through.
#[derive(Debug, Default)]
pub(in crate::worker) struct LoginLines {
    /// The cluster took a login, and there was no place for it.
    pub(in crate::worker) not_served: LogThrottle,
    /// The cluster could not be asked about a login.
    pub(in crate::worker) unknown: LogThrottle,
}
