//! How often something may be done: so many times at once, and so many a second.

/// Credit for one at a time; what was used comes back with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    burst: u32,
    per_s: u32,
    /// What was used and has not come back yet, in millionths.
    used: u64,
    settled_us: u64,
}

/// Credit of one.
const ONE: u64 = 1_000_000;

impl Allowance {
    /// Allows `burst` at once, and `per_s` each second in the long run.
    #[must_use]
    pub(crate) const fn new(burst: u32, per_s: u32) -> Self {
        Self { burst, per_s, used: 0, settled_us: 0 }
    }

    /// Takes one at `now_us`; `false` when there is none left.
    pub(crate) fn take(&mut self, now_us: u64) -> bool {
        let us = now_us.saturating_sub(self.settled_us);
        self.used = self.used.saturating_sub(us.saturating_mul(u64::from(self.per_s)));
        self.settled_us = now_us;
        let used = self.used + ONE;
        let may = used <= u64::from(self.burst) * ONE;
        if may {
            self.used = used;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(allowance: &mut Allowance, now_us: u64) -> usize {
        (0..).take_while(|_| allowance.take(now_us)).count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_so_many_a_second() {
        let mut allowance = Allowance::new(100, 10);
        assert_eq!(taken(&mut allowance, 5_000_000), 100);
        assert_eq!(taken(&mut allowance, 5_000_000), 0);
        assert_eq!(taken(&mut allowance, 6_000_000), 10);
        assert_eq!(taken(&mut allowance, 6_050_000), 0, "half of one");
        assert_eq!(taken(&mut allowance, 6_100_000), 1);
        assert_eq!(taken(&mut allowance, 600_000_000), 100, "no more than a burst comes back");
    }
}
