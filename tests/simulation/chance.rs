//! Numbers that look random: the same for the same seed.

use sim::mix;

/// A sequence of numbers.
#[derive(Clone, Debug)]
pub(super) struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    /// The sequence of `seed` for one `purpose`, so that one part of the world drawing more does
    /// not change what the others draw.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        Self { seed: mix(seed, purpose), drawn: 0 }
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.seed, self.drawn)
    }

    /// A number in `0..end`; 0 when `end` is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.bits().checked_rem(end).unwrap_or(0)
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// An index into something of `len` entries.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap_or(0))).unwrap_or(0)
    }

    /// True once in `count` times.
    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One of `choices`.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let at = self.index(choices.len());
        choices.get(at)
    }

    /// One of some numbers.
    pub(super) fn number(&mut self, choices: &[u64]) -> u64 {
        self.pick(choices).copied().unwrap_or(0)
    }
}
