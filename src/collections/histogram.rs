//! A histogram whose cells grow with their values: log-linear, integers only.
//!
//! Sixteen cells an octave: a cell is at most 6.3 % wide. Recording is a shift, an add and no
//! floating point, because it happens for every request.

/// Cells of each octave, and the first value that shares a cell with another.
const CELLS_PER_OCTAVE: u64 = 16;

/// `log2(CELLS_PER_OCTAVE)`.
const CELL_BITS: u32 = 4;

/// Values from 2^32 on (71 minutes in microseconds) share one cell more.
const OCTAVES: usize = 28;

const CELL_COUNT: usize = 16 * (OCTAVES + 1) + 1;

/// Counts of values by size. The unit is the caller's; durations are in microseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Histogram {
    cells: Vec<u64>,
    count: u64,
    sum: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { cells: vec![0; CELL_COUNT], count: 0, sum: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        let index = cell_of(value).min(CELL_COUNT - 1);
        if let Some(cell) = self.cells.get_mut(index) {
            *cell += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds what `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (cell, more) in self.cells.iter_mut().zip(&other.cells) {
            *cell += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Number of values below `bound`; exact for powers of two up to 2^32, else rounded down to a
    /// cell.
    #[must_use]
    pub fn count_below(&self, bound: u64) -> u64 {
        self.cells.iter().take(cell_of(bound)).sum()
    }

    /// The value that `per_mille` of 1000 values do not exceed: 500 for the median, 999 for the
    /// 99.9th percentile. At most 6.3 % above the true one, for values below 2^32;
    /// 0 when nothing was counted.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let per_mille = u128::from(per_mille.min(1000));
        let rank = (u128::from(self.count) * per_mille).div_ceil(1000).max(1);
        let mut seen = 0_u128;
        for (index, cell) in self.cells.iter().enumerate() {
            seen += u128::from(*cell);
            if seen >= rank {
                return last_value_of(index);
            }
        }
        0
    }
}

/// The cell of a value: itself below 16, else its octave and the four bits after the leading one.
fn cell_of(value: u64) -> usize {
    let octave = (u64::BITS - value.leading_zeros()).saturating_sub(CELL_BITS + 1);
    let cell = u64::from(octave) * CELLS_PER_OCTAVE + (value >> octave);
    usize::try_from(cell).unwrap_or(usize::MAX)
}

/// The largest value of a cell.
fn last_value_of(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let octave = (index / CELLS_PER_OCTAVE).saturating_sub(1);
    let mantissa = index - octave * CELLS_PER_OCTAVE;
    ((mantissa + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram_of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    #[test]
    fn cells_follow_each_other_without_gap_or_overlap() {
        for index in 0..CELL_COUNT - 1 {
            let last = last_value_of(index);
            assert_eq!(cell_of(last), index, "{last}");
            assert_eq!(cell_of(last + 1), index + 1, "{last}");
        }
        assert_eq!(last_value_of(CELL_COUNT - 2), u64::from(u32::MAX));
    }

    #[test]
    fn nothing_counted_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(500), 0);
    }

    #[test]
    fn a_value_beyond_the_last_cell_is_counted_there() {
        let histogram = histogram_of(&[u64::MAX, 1]);
        assert_eq!((histogram.count(), histogram.sum()), (2, u64::MAX));
        assert_eq!(histogram.count_below(1 << 32), 1);
        assert!(histogram.quantile(1000) > u64::from(u32::MAX));
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_one_cell_above_the_sorted_truth(
            mut values in prop::collection::vec(0_u64..5_000_000, 1..400),
            per_mille in 0_u64..=1000,
        ) {
            let histogram = histogram_of(&values);
            values.sort_unstable();
            let rank = (values.len() as u64 * per_mille).div_ceil(1000).max(1);
            let truth = values[usize::try_from(rank).unwrap() - 1];
            let found = histogram.quantile(per_mille);
            prop_assert!(found >= truth && found <= truth + truth / 16, "{found} for {truth}");
        }

        #[test]
        fn powers_of_two_split_the_values_exactly(
            values in prop::collection::vec(0_u64..1 << 33, 0..300),
            bits in 0_u32..=32,
        ) {
            let bound = 1 << bits;
            let truth = values.iter().filter(|value| **value < bound).count() as u64;
            prop_assert_eq!(histogram_of(&values).count_below(bound), truth);
        }

        #[test]
        fn merging_is_counting_together(
            left in prop::collection::vec(any::<u64>(), 0..100),
            right in prop::collection::vec(any::<u64>(), 0..100),
        ) {
            let mut merged = histogram_of(&left);
            merged.merge(&histogram_of(&right));
            prop_assert_eq!(merged, histogram_of(&[left, right].concat()));
        }
    }
}
