//! Counters of dialling one node, for telemetry to fold.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::connect::dial_error::DialError;

/// Counts what happens when one node is dialled. Any thread may count and read.
#[derive(Debug, Default)]
pub struct DialStats {
    opened: AtomicU64,
    unreachable: AtomicU64,
    timed_out: AtomicU64,
    refused: AtomicU64,
    tls_failed: AtomicU64,
    broken: AtomicU64,
    bind_errors: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DialCounts {
    /// Connections that are ready for requests.
    pub opened: u64,
    /// TCP did not connect, or there was no source port to do it from.
    pub unreachable: u64,
    /// No answer in time.
    pub timed_out: u64,
    /// The node answered with an ERROR, or wants a credential.
    pub refused: u64,
    /// Certificates or ports that do not go with TLS.
    pub tls_failed: u64,
    /// Broke, or spoke something else than the protocol.
    pub broken: u64,
    /// Source ports that could not be bound.
    pub bind_errors: u64,
}

impl DialStats {
    /// Reads all counters.
    #[must_use]
    pub fn counts(&self) -> DialCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DialCounts {
            opened: read(&self.opened),
            unreachable: read(&self.unreachable),
            timed_out: read(&self.timed_out),
            refused: read(&self.refused),
            tls_failed: read(&self.tls_failed),
            broken: read(&self.broken),
            bind_errors: read(&self.bind_errors),
        }
    }

    pub(crate) fn on_opened(&self) {
        count(&self.opened);
    }

    pub(crate) fn on_failed(&self, error: &DialError) {
        count(match error {
            DialError::Connect { .. } | DialError::SourcePorts { .. } => &self.unreachable,
            DialError::Timeout { .. } => &self.timed_out,
            DialError::Tls { .. } => &self.tls_failed,
            DialError::Refused(..) | DialError::CredentialMissing { .. } => &self.refused,
            DialError::Broken { .. }
            | DialError::Malformed { .. }
            | DialError::TlsAlert { .. }
            | DialError::Unexpected { .. }
            | DialError::OtherHost { .. } => &self.broken,
        });
    }

    pub(crate) fn on_bind_error(&self) {
        count(&self.bind_errors);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
