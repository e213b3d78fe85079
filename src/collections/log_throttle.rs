//! Rate-limits a log line that repeats.

/// Shortest time between two lines, µs, where no other is given.
const PAUSE_US: u64 = 10_000_000;

/// Lets a repeating line be logged once in a while, and counts the occurrences in between.
#[derive(Debug)]
pub(crate) struct LogThrottle {
    pause_us: u64,
    logged_us: Option<u64>,
    suppressed: u64,
}

impl Default for LogThrottle {
    /// One line in ten seconds.
    fn default() -> Self {
        Self::every(PAUSE_US)
    }
}

impl LogThrottle {
    /// One line in `pause_us` microseconds.
    #[must_use]
    pub(crate) const fn every(pause_us: u64) -> Self {
        Self { pause_us, logged_us: None, suppressed: 0 }
    }

    /// Returns the number of suppressed occurrences if the line may be logged now.
    pub(crate) fn next(&mut self, now_us: u64) -> Option<u64> {
        if self.logged_us.is_some_and(|logged_us| now_us.saturating_sub(logged_us) < self.pause_us)
        {
            self.suppressed += 1;
            return None;
        }
        self.logged_us = Some(now_us);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeating_line_is_logged_once_in_ten_seconds() {
        let mut throttle = LogThrottle::default();
        let logged = (0..25).map(|second| (second, throttle.next(second * 1_000_000)));
        let logged: Vec<_> = logged.filter_map(|(second, left)| Some((second, left?))).collect();
        assert_eq!(logged, [(0, 0), (10, 9), (20, 9)]);
    }
}
