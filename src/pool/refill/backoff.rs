//! Waiting before the next try: exponential with full jitter, and short again after a quiet while.
//!
//! When a node restarts, every proxy of the cluster loses its lanes at the same moment. The jitter
//! keeps their new handshakes apart.

/// Bounds of the wait between tries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BackoffSettings {
    /// The first wait is at most this long, each next one at most twice the one before.
    pub first_ms: u64,
    /// No wait is longer.
    pub max_ms: u64,
    /// Failures further apart than this do not add up.
    pub quiet_ms: u64,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self { first_ms: 100, max_ms: 30_000, quiet_ms: 60_000 }
    }
}

/// The waits of one dialer of connections.
#[derive(Debug)]
pub struct Backoff {
    settings: BackoffSettings,
    jitter: Jitter,
    failures: u32,
    last_failure_ms: u64,
}

impl Backoff {
    /// Starts without failures; the same `seed` gives the same waits.
    #[must_use]
    pub fn new(settings: BackoffSettings, seed: u64) -> Self {
        Self { settings, jitter: Jitter::new(seed), failures: 0, last_failure_ms: 0 }
    }

    /// Draws the next waits by these settings.
    pub fn set_settings(&mut self, settings: BackoffSettings) {
        self.settings = settings;
    }

    /// Counts a failure at `now_ms` and draws how many milliseconds to wait.
    pub fn on_failure(&mut self, now_ms: u64) -> u64 {
        if now_ms.saturating_sub(self.last_failure_ms) > self.settings.quiet_ms {
            self.failures = 0;
        }
        self.last_failure_ms = now_ms;
        let longest = self.longest_ms();
        self.failures = self.failures.saturating_add(1);
        self.jitter.below(longest.saturating_add(1))
    }

    /// Failures in a row, none of them far from the one before.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Random numbers for other uses of the same owner.
    pub fn jitter(&mut self) -> &mut Jitter {
        &mut self.jitter
    }

    fn longest_ms(&self) -> u64 {
        let doubled = 1_u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        self.settings.first_ms.saturating_mul(doubled).min(self.settings.max_ms)
    }
}

/// A small seeded generator (SplitMix64): good enough to keep processes apart, not for secrets.
#[derive(Clone, Debug)]
pub struct Jitter {
    state: u64,
}

impl Jitter {
    /// Starts the sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number in `0..end`, and 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits().checked_rem(end).unwrap_or(0)
    }

    /// 32 of the next bits.
    pub fn word(&mut self) -> u32 {
        u32::try_from(self.bits() >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BackoffSettings =
        BackoffSettings { first_ms: 100, max_ms: 30_000, quiet_ms: 60_000 };

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut longest = [0; 12];
        for seed in 0..500 {
            let mut backoff = Backoff::new(SETTINGS, seed);
            for (failure, longest) in longest.iter_mut().enumerate() {
                let wait = backoff.on_failure(1_000);
                assert!(wait <= (100 << failure).min(30_000), "failure {failure}: {wait}");
                *longest = wait.max(*longest);
            }
        }
        assert!(longest[0] > 90 && longest[4] > 1_400 && longest[11] > 29_000, "{longest:?}");
    }

    #[test]
    fn a_quiet_while_makes_the_wait_short_again() {
        let mut backoff = Backoff::new(SETTINGS, 1);
        let longest = (0..10).map(|second| backoff.on_failure(second * 1_000)).max();
        assert!(longest > Some(1_000), "{longest:?}");
        assert_eq!(backoff.failures(), 10);

        assert!(backoff.on_failure(9_000 + 60_001) <= 100);
        assert_eq!(backoff.failures(), 1);
    }

    #[test]
    fn seeds_keep_processes_apart_and_runs_alike() {
        let waits = |seed| {
            let mut backoff = Backoff::new(SETTINGS, seed);
            (0..8).map(|_| backoff.on_failure(0)).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}
