//! What nodes, proxy and load count at one moment, and how it changed lately.

use std::collections::VecDeque;

/// Counts at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// When, in µs since the load began.
    pub at_us: u64,
    /// Requests of the load that arrived at the shard that has the row, as the nodes counted.
    pub hits: u64,
    /// Requests of the load that arrived elsewhere.
    pub misses: u64,
    /// Tablets whose replicas the proxy knows.
    pub learned: u64,
    /// Tablets that there are.
    pub tablets: u64,
}

impl Sample {
    /// Hits and all requests since an earlier moment.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> (u64, u64) {
        let hits = self.hits.saturating_sub(earlier.hits);
        (hits, hits + self.misses.saturating_sub(earlier.misses))
    }
}

/// The samples of the last seconds.
#[derive(Debug)]
pub(crate) struct Window {
    samples: VecDeque<Sample>,
    keep_us: u64,
}

impl Window {
    /// Keeps what is needed to look back so far.
    #[must_use]
    pub(crate) fn new(keep_us: u64) -> Self {
        Self { samples: VecDeque::from([Sample::default()]), keep_us }
    }

    /// Records the next sample.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        let from_us = sample.at_us.saturating_sub(self.keep_us);
        while self.samples.get(1).is_some_and(|second| second.at_us <= from_us) {
            self.samples.pop_front();
        }
    }

    /// The latest one.
    #[must_use]
    pub(crate) fn last(&self) -> Sample {
        self.samples.back().copied().unwrap_or_default()
    }

    /// Hits and all requests of the last µs: since the latest sample that is as old, if one is.
    #[must_use]
    pub(crate) fn lately(&self, us: u64) -> (u64, u64) {
        let last = self.last();
        let from_us = last.at_us.saturating_sub(us);
        let is_old = |sample: &&Sample| sample.at_us <= from_us;
        let earlier = self.samples.iter().rev().find(is_old);
        let earlier = earlier.or_else(|| self.samples.front());
        earlier.map_or((0, 0), |earlier| last.since(earlier))
    }
}

/// A share as text, rounded down: 100 % means all.
#[must_use]
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let share = u128::from(part) * 10_000;
    match share.checked_div(u128::from(whole)) {
        Some(share) => format!("{}.{:02} %", share / 100, share % 100),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_us: u64, hits: u64, misses: u64) -> Sample {
        Sample { at_us, hits, misses, ..Sample::default() }
    }

    #[test]
    fn the_window_looks_back_as_far_as_it_is_asked() {
        let mut window = Window::new(2_000);
        for (at_us, hits) in [(1_000, 0), (2_000, 10), (3_000, 30), (4_000, 60)] {
            window.push(sample(at_us, hits, 10));
        }
        assert_eq!(window.lately(1_000), (30, 30));
        assert_eq!(window.lately(1_500), (50, 50));
        assert_eq!(window.lately(2_000), (50, 50));
        assert_eq!(window.last().at_us, 4_000);
    }

    #[test]
    fn a_young_window_looks_back_to_the_beginning() {
        let mut window = Window::new(5_000);
        window.push(sample(1_000, 7, 3));
        assert_eq!(window.lately(5_000), (7, 10));
    }

    #[test]
    fn only_all_is_a_hundred_percent() {
        assert_eq!(percent(99_999, 100_000), "99.99 %");
        assert_eq!(percent(5, 5), "100.00 %");
        assert_eq!(percent(0, 0), "-");
    }
}
