//! How many requests may be sent twice: a share of those that come in, and a trickle besides.
//!
//! A cluster in trouble fails requests; to repeat them all would double its load when it can bear
//! it least. Credit comes with each request and with time, and fades within seconds. Each reason has
//! credit of its own: copies of slow reads, which are a convenience, and requests that a node
//! refused or could not run take none from the reads that lost their lane.

use crate::engine::core::core::Core;

/// Credit of one repeated request.
const ONE: u64 = 1000;
/// Credit older than this is gone, µs.
const WINDOW_US: u64 = 10_000_000;

/// Credit of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct RetryBudget {
    credit: u64,
    settled_us: u64,
    settled_requests: u64,
}

/// How much credit comes in.
#[derive(Clone, Copy, Debug)]
struct Share {
    /// Requests that may be repeated, of 100.
    percent: u32,
    /// Requests that may be repeated besides, each second.
    floor_per_s: u32,
}

/// The credit of one worker, by the reason to send a request twice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RetryBudgets {
    lost: RetryBudget,
    refused: RetryBudget,
    failed: RetryBudget,
    copied: RetryBudget,
}

impl RetryBudgets {
    /// Enters the requests that have come in, and the time.
    pub(crate) fn settle(&mut self, core: &Core) {
        let limits = &core.settings.limits;
        let floor_per_s = limits.retry_floor_per_s;
        let (requests, now) = (core.tally.received.iter().sum(), core.now_us);
        let repeats = Share { percent: limits.retry_percent, floor_per_s };
        let copies = Share { percent: limits.speculative_percent, floor_per_s };
        self.lost.settle(repeats, requests, now);
        self.refused.settle(repeats, requests, now);
        self.failed.settle(repeats, requests, now);
        self.copied.settle(copies, requests, now);
    }

    /// Pays for a read whose lane was lost; `false` when the budget is used up.
    pub(crate) fn pay_for_lost(&mut self, core: &mut Core) -> bool {
        self.settle(core);
        let may = self.lost.take();
        core.tally.retries_refused += u64::from(!may);
        may
    }

    /// Pays for a request that a busy node refused; `false` when the budget is used up.
    pub(crate) fn pay_for_refused(&mut self, core: &mut Core) -> bool {
        self.settle(core);
        let may = self.refused.take();
        core.tally.retries_refused += u64::from(!may);
        may
    }

    /// Pays for a request that a node could not run; `false` when the budget is used up.
    pub(crate) fn pay_for_failed(&mut self, core: &mut Core) -> bool {
        self.settle(core);
        let may = self.failed.take();
        core.tally.retries_refused += u64::from(!may);
        may
    }

    /// Pays for the copy of a slow read; `false` when the budget is used up.
    pub(crate) fn pay_for_copy(&mut self, core: &mut Core) -> bool {
        self.settle(core);
        let may = self.copied.take();
        core.tally.copies_refused += u64::from(!may);
        may
    }
}

impl RetryBudget {
    /// Enters what has come in: requests so far, and time.
    fn settle(&mut self, share: Share, requests: u64, now_us: u64) {
        let Share { percent, floor_per_s } = share;
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
    fn take(&mut self) -> bool {
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

    fn share(percent: u32, floor_per_s: u32) -> Share {
        Share { percent, floor_per_s }
    }

    fn taken(budget: &mut RetryBudget) -> u64 {
        (0..).take_while(|_| budget.take()).count() as u64
    }

    #[test]
    fn a_share_of_the_requests_and_a_trickle_may_be_repeated() {
        let mut budget = RetryBudget::default();
        budget.settle(share(20, 0), 1000, 1);
        assert_eq!(taken(&mut budget), 200);
        budget.settle(share(20, 10), 1000, 1_000_001);
        assert_eq!(taken(&mut budget), 10);
        budget.settle(share(0, 0), 2000, 2_000_001);
        assert_eq!(taken(&mut budget), 0);
    }

    #[test]
    fn unused_credit_fades() {
        let mut budget = RetryBudget::default();
        for second in 1..=1000 {
            budget.settle(share(20, 10), second * 100, second * 1_000_000);
        }
        let left = taken(&mut budget);
        assert!((200..=300).contains(&left), "{left}: ten seconds' worth");
        budget.settle(share(20, 10), 100_000, 1_100_000_000);
        assert_eq!(taken(&mut budget), 100, "the trickle of ten seconds");
    }
}
