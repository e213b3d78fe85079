//! How much may be asked twice: a share of what is asked once, and a trickle.
//!
//! A cluster in trouble fails requests; to repeat them all would double its load when it can bear
//! it least. Credit comes with each request and with time, and fades within seconds.

/// Credit of one repeated request.
const ONE: u64 = 1000;
/// Credit older than this is gone, µs.
const WINDOW_US: u64 = 10_000_000;

/// The credit of one worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetryBudget {
    credit: u64,
    settled_us: u64,
    settled_requests: u64,
}

impl RetryBudget {
    /// Enters what has come in: requests so far, and time. `percent` of requests may be repeated,
    /// and `floor_per_s` besides.
    pub fn settle(&mut self, (percent, floor_per_s): (u32, u32), requests: u64, now_us: u64) {
        let us = now_us.saturating_sub(self.settled_us).min(WINDOW_US);
        let new = requests.saturating_sub(self.settled_requests);
        let faded = self.credit.saturating_mul(us) / WINDOW_US;
        let trickle = us.saturating_mul(u64::from(floor_per_s)) * ONE / 1_000_000;
        let share = new.saturating_mul(u64::from(percent)) * ONE / 100;
        self.credit = (self.credit - faded).saturating_add(trickle).saturating_add(share);
        self.settled_us = now_us;
        self.settled_requests = requests;
    }

    /// Pays for one repeated request; `false` when there is no credit left.
    pub fn take(&mut self) -> bool {
        match self.credit.checked_sub(ONE) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut RetryBudget) -> u64 {
        (0..).take_while(|_| budget.take()).count() as u64
    }

    #[test]
    fn a_share_of_the_requests_and_a_trickle_may_be_repeated() {
        let mut budget = RetryBudget::default();
        budget.settle((20, 0), 1000, 1);
        assert_eq!(taken(&mut budget), 200);
        budget.settle((20, 10), 1000, 1_000_001);
        assert_eq!(taken(&mut budget), 10);
        budget.settle((0, 0), 2000, 2_000_001);
        assert_eq!(taken(&mut budget), 0);
    }

    #[test]
    fn credit_that_nobody_uses_fades() {
        let mut budget = RetryBudget::default();
        for second in 1..=1000 {
            budget.settle((20, 10), second * 100, second * 1_000_000);
        }
        let left = taken(&mut budget);
        assert!((200..=300).contains(&left), "{left}: ten seconds' worth");
        budget.settle((20, 10), 100_000, 1_100_000_000);
        assert_eq!(taken(&mut budget), 100, "the trickle of ten seconds");
    }
}
