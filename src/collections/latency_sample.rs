//! A small histogram of times, two cells an octave: a statement has one of its own.

/// Two for each octave up to 16 s; what is longer is in the last.
const CELL_COUNT: usize = 48;

/// Counts of times by size, µs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LatencySample {
    cells: [u32; CELL_COUNT],
}

impl Default for LatencySample {
    fn default() -> Self {
        Self { cells: [0; CELL_COUNT] }
    }
}

impl LatencySample {
    /// Counts one time.
    #[inline]
    pub fn record(&mut self, us: u64) {
        let us = us.max(2);
        let octave = us.ilog2();
        let cell = u64::from(octave) * 2 + (us >> (octave - 1) & 1);
        let cell = usize::try_from(cell).unwrap_or(CELL_COUNT).min(CELL_COUNT - 1);
        if let Some(count) = self.cells.get_mut(cell) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds what `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.cells.iter_mut().zip(&other.cells) {
            *count = count.saturating_add(*more);
        }
    }

    /// A time that `per_mille` of those counted do not exceed, at most by half too large; `None` before the first.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Option<u64> {
        let total: u64 = self.cells.iter().map(|count| u64::from(*count)).sum();
        let rank = (total * per_mille.min(1000)).div_ceil(1000).max(1);
        let mut seen = 0;
        let reached = self.cells.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        })?;
        let (octave, half) = (reached / 2, u64::from(reached % 2 == 1));
        let octave_us = 1_u64 << octave;
        Some(octave_us + (half + 1) * octave_us / 2 - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_counted_has_no_quantile() {
        assert_eq!(LatencySample::default().quantile(990), None);
    }

    #[test]
    fn a_latency_beyond_all_cells_is_in_the_last() {
        let mut sample = LatencySample::default();
        sample.record(u64::MAX);
        sample.record(0);
        assert!(sample.quantile(1000).unwrap() > 16_000_000);
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_by_half_above_the_sorted_truth(
            mut values in prop::collection::vec(2_u64..12_000_000, 1..400),
            per_mille in 0_u64..=1000,
            cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(values.len());
            let (mut sample, mut rest) = (LatencySample::default(), LatencySample::default());
            values[..cut].iter().for_each(|value| sample.record(*value));
            values[cut..].iter().for_each(|value| rest.record(*value));
            sample.merge(&rest);
            values.sort_unstable();
            let rank = (values.len() as u64 * per_mille).div_ceil(1000).max(1);
            let truth = values[usize::try_from(rank).unwrap() - 1];
            let found = sample.quantile(per_mille).unwrap();
            prop_assert!(found >= truth && found <= truth + truth / 2, "{found} for {truth}");
        }
    }
}
