//! Counters of dialling one node, for telemetry to fold.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::connect::dial_error::DialError;

/// What is known of a node's shard-aware port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum PortVerdict {
    /// Not tried, or the node has a single shard, where every port is right.
    Unknown = 0,
    /// The source port chose the shard.
    Direct = 1,
    /// A connection came to another shard than its source port says: something between us and
    /// the node rewrites source ports (NAT, a load balancer).
    Rewritten = 2,
    /// The plain port answers and this one does not.
    Closed = 3,
    /// No free source port was found.
    NoSourcePort = 4,
}

impl PortVerdict {
    /// Every verdict, each at the index of its number.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Direct, Self::Rewritten, Self::Closed, Self::NoSourcePort];
}

/// Counts what happens when one node is dialled. Any thread may count and read.
#[derive(Debug, Default)]
pub struct DialStats {
    opened: AtomicU64,
    unreachable: AtomicU64,
    timed_out: AtomicU64,
    refused: AtomicU64,
    tls_failed: AtomicU64,
    broken: AtomicU64,
    mismatches: AtomicU64,
    bind_errors: AtomicU64,
    excess: AtomicU64,
    verdict: AtomicU8,
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
    /// Came to another shard than the source port says.
    pub mismatches: u64,
    /// Source ports that could not be bound.
    pub bind_errors: u64,
    /// Opened on the plain port for a shard that had its lane already.
    pub excess: u64,
    /// What is known of the shard-aware port.
    pub verdict: PortVerdict,
}

impl DialStats {
    /// Reads all counters.
    #[must_use]
    pub fn counts(&self) -> DialCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let verdict = usize::from(self.verdict.load(Ordering::Relaxed));
        DialCounts {
            opened: read(&self.opened),
            unreachable: read(&self.unreachable),
            timed_out: read(&self.timed_out),
            refused: read(&self.refused),
            tls_failed: read(&self.tls_failed),
            broken: read(&self.broken),
            mismatches: read(&self.mismatches),
            bind_errors: read(&self.bind_errors),
            excess: read(&self.excess),
            verdict: PortVerdict::ALL.get(verdict).copied().unwrap_or(PortVerdict::Unknown),
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

    pub(crate) fn on_mismatch(&self) {
        count(&self.mismatches);
    }

    pub(crate) fn on_bind_error(&self) {
        count(&self.bind_errors);
    }

    pub(crate) fn on_excess(&self) {
        count(&self.excess);
    }

    pub(crate) fn set_verdict(&self, verdict: PortVerdict) {
        self.verdict.store(verdict as u8, Ordering::Relaxed);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_read_as_it_was_set() {
        let stats = DialStats::default();
        assert_eq!(stats.counts().verdict, PortVerdict::Unknown);
        for verdict in PortVerdict::ALL {
            stats.set_verdict(verdict);
            assert_eq!(stats.counts().verdict, verdict);
        }
    }
}
