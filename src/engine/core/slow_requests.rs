//! The latest requests that took long, for the console.

use std::collections::VecDeque;

use crate::engine::settings::ConsoleSettings;
use crate::engine::view::slow_request::SlowRequest;

/// How many are kept.
const KEPT_MAX: usize = 128;
/// Time between two that are kept, µs: when everything is slow, a few are enough.
const PAUSE_US: u64 = 1_000;

/// The latest of them.
#[derive(Debug)]
pub(crate) struct SlowRequests {
    /// What takes as long as this is slow, µs.
    pub(crate) from_us: u64,
    kept: VecDeque<SlowRequest>,
    next_us: u64,
    count: u64,
}

impl Default for SlowRequests {
    fn default() -> Self {
        Self { from_us: u64::MAX, kept: VecDeque::new(), next_us: 0, count: 0 }
    }
}

impl SlowRequests {
    /// Goes by other settings from now on.
    pub(crate) fn set(&mut self, settings: &ConsoleSettings) {
        let is_on = settings.enabled && settings.slow_us > 0;
        self.from_us = if is_on { settings.slow_us } else { u64::MAX };
    }

    /// Whether one that is answered now is not kept: the last was a moment ago.
    pub(crate) fn is_resting(&self, now_us: u64) -> bool {
        now_us < self.next_us
    }

    /// Keeps one, and gives it its number.
    pub(crate) fn keep(&mut self, slow: SlowRequest) {
        self.next_us = slow.at_us + PAUSE_US;
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        self.count += 1;
        self.kept.push_back(SlowRequest { number: self.count, ..slow });
    }

    /// Those that are kept, the newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SlowRequest> {
        self.kept.iter().rev()
    }
}
