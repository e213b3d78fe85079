//! Reports about a connection that pools ordered, on their way from its task to the worker.

use crate::connect::dial_error::DialErrorAt;
use crate::connect::dialer::OpenedLane;
use crate::pool::connection::DialId;

/// A report of the task that opens a connection.
#[derive(Debug)]
pub enum DialReport {
    /// A connection is ready, or will never be.
    Ended(DialId, Result<OpenedLane, DialErrorAt>),
    /// A node sent a challenge to a client's login.
    Challenged(DialId, Vec<u8>),
    /// The task ended without a report, which no task should.
    Vanished(DialId),
}
