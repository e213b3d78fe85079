//! What would be told again and again: once is enough for a while.

/// It is told once in so long, µs.
const PAUSE_US: u64 = 10_000_000;

/// Tells when something that repeats itself may be told.
#[derive(Debug, Default)]
pub struct LogThrottle {
    told_us: Option<u64>,
    left_out: u64,
}

impl LogThrottle {
    /// Whether it is told now: then how often it was left out since the last time.
    pub fn next(&mut self, now_us: u64) -> Option<u64> {
        if self.told_us.is_some_and(|told_us| now_us.saturating_sub(told_us) < PAUSE_US) {
            self.left_out += 1;
            return None;
        }
        self.told_us = Some(now_us);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_itself_is_told_every_ten_seconds() {
        let mut throttle = LogThrottle::default();
        let told = (0..25).map(|second| (second, throttle.next(second * 1_000_000)));
        let told: Vec<_> = told.filter_map(|(second, left)| Some((second, left?))).collect();
        assert_eq!(told, [(0, 0), (10, 9), (20, 9)]);
    }
}
