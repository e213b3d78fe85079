//! What the webhook counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::collections::histogram::Histogram;
use crate::collections::log_throttle::LogThrottle;

/// What became of a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReviewOutcome {
    /// The pod gets a sidecar.
    Injected,
    /// The object stays as it is, as it should.
    Left,
    /// The pod asks for a sidecar and gets none.
    Refused,
    /// It has no answer.
    Failed,
}

impl ReviewOutcome {
    const ALL: [Self; 4] = [Self::Injected, Self::Left, Self::Refused, Self::Failed];

    const fn label(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Left => "left",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// How the beginning of a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Handshake {
    /// Requests may come.
    Done,
    /// The other side does not trust the certificate, left, or speaks no TLS.
    Failed,
    /// It took too long.
    TimedOut,
    /// There are too many connections.
    TurnedAway,
}

impl Handshake {
    const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::TimedOut, Self::TurnedAway];

    const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::TurnedAway => "turned_away",
        }
    }
}

/// Counters of one webhook.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    outcomes: [AtomicU64; ReviewOutcome::ALL.len()],
    handshakes: [AtomicU64; Handshake::ALL.len()],
    /// µs.
    durations: RwLock<Histogram>,
    lines: RwLock<LogThrottle>,
}

impl Counts {
    /// A question was answered, or could not be, after so many µs.
    pub(crate) fn on_review(&self, outcome: ReviewOutcome, took_us: u64) {
        add_one(&self.outcomes, ReviewOutcome::ALL.iter().position(|known| *known == outcome));
        self.durations.write().unwrap_or_else(PoisonError::into_inner).record(took_us);
    }

    /// A connection has begun, or could not.
    pub(crate) fn on_handshake(&self, result: Handshake) {
        add_one(&self.handshakes, Handshake::ALL.iter().position(|known| *known == result));
    }

    /// Whether a failed handshake is worth a line in the log now, and how many were not since the last line.
    #[must_use]
    pub(crate) fn next_line(&self, now_us: u64) -> Option<u64> {
        self.lines.write().unwrap_or_else(PoisonError::into_inner).next(now_us)
    }

    /// Questions by outcome.
    #[must_use]
    pub(crate) fn reviews(&self) -> Vec<(&'static str, u64)> {
        labelled(ReviewOutcome::ALL.map(ReviewOutcome::label), &self.outcomes)
    }

    /// Connections by result.
    #[must_use]
    pub(crate) fn handshakes(&self) -> Vec<(&'static str, u64)> {
        labelled(Handshake::ALL.map(Handshake::label), &self.handshakes)
    }

    /// How long questions took, µs.
    #[must_use]
    pub(crate) fn durations(&self) -> Histogram {
        self.durations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn add_one(counters: &[AtomicU64], place: Option<usize>) {
    if let Some(counter) = place.and_then(|place| counters.get(place)) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn labelled<const N: usize>(
    labels: [&'static str; N],
    counters: &[AtomicU64; N],
) -> Vec<(&'static str, u64)> {
    labels.into_iter().zip(counters.iter().map(|c| c.load(Ordering::Relaxed))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_a_counter_of_its_own() {
        let counts = Counts::default();
        for (times, outcome) in ReviewOutcome::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| counts.on_review(outcome, 5));
        }
        for (times, result) in Handshake::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| counts.on_handshake(result));
        }
        assert_eq!(counts.reviews(), [("injected", 0), ("left", 1), ("refused", 2), ("failed", 3)]);
        assert_eq!(
            counts.handshakes(),
            [("done", 0), ("failed", 1), ("timed_out", 2), ("turned_away", 3)]
        );
        assert_eq!(counts.durations().count(), 6);
    }
}
