//! When the tablets of which table are asked for: soon after requests want them, and not too often.

use crate::topology::table::TableId;
use crate::topology::tablet_page::ReadEnd;

/// A table whose tablets did not come is asked for again after this, µs: the request may be lost.
const ASK_AGAIN_US: u64 = 5_000_000;

/// A table that was read, or could not be read, is not read again for this long, µs, only because
/// some tablet is not known.
const UNKNOWN_AGAIN_US: u64 = 60_000_000;

/// When the role may not read tablets, none are asked for during this time, µs.
const REFUSED_US: u64 = 600_000_000;

/// A table with tablets that moved while it was read is read again after this, µs.
const MOVING_US: u64 = 10_000_000;

/// Tables with unknown tablets that are kept until they are looked at.
const UNKNOWN_MAX: usize = 64;

/// Why a table's tablets are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Want {
    /// A statement names it.
    Named,
    /// A request met a tablet that is not known.
    Unknown,
    /// What was read of it may have changed.
    Again,
}

/// When each table was asked for.
#[derive(Debug, Default)]
pub struct ReadTimes {
    /// By number of the table.
    by_table: Vec<Times>,
    /// No table is asked for before, µs.
    refused_until_us: u64,
    /// Tables of which a request met an unknown tablet since that was last looked at.
    unknown: Vec<TableId>,
}

/// Times of one table, µs.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    /// It is not asked for before.
    not_before_us: u64,
    /// It is asked for then, whether or not a request misses anything.
    again_at_us: Option<u64>,
    /// Whether it was read, or could not be.
    is_over: bool,
}

impl ReadTimes {
    /// Takes note that a request met a tablet that is not known.
    #[cold]
    pub fn on_unknown(&mut self, table: TableId) {
        if self.unknown.len() < UNKNOWN_MAX && !self.unknown.contains(&table) {
            self.unknown.push(table);
        }
    }

    /// Hands out the tables with unknown tablets that were met since the last call.
    pub fn take_unknown(&mut self) -> Vec<TableId> {
        std::mem::take(&mut self.unknown)
    }

    /// Whether a table that is wanted is to be asked for now, and takes note that it is.
    pub fn ask(&mut self, table: TableId, want: Want, now_us: u64) -> bool {
        let is_refused = now_us < self.refused_until_us;
        let Some(times) = self.times(table) else { return false };
        let is_early = match want {
            Want::Named => times.is_over || now_us < times.not_before_us,
            Want::Unknown => now_us < times.not_before_us,
            Want::Again => false,
        };
        if is_refused || is_early {
            return false;
        }
        times.not_before_us = now_us + ASK_AGAIN_US;
        times.again_at_us = None;
        true
    }

    /// Takes note of how the reading of a table ended.
    pub fn on_end(&mut self, table: TableId, end: ReadEnd, now_us: u64) {
        if end == ReadEnd::Refused {
            self.refused_until_us = now_us + REFUSED_US;
        }
        let Some(times) = self.times(table) else { return };
        times.is_over = true;
        times.not_before_us = now_us + UNKNOWN_AGAIN_US;
        if end == (ReadEnd::Complete { moving: true }) {
            times.again_at_us = Some(now_us + MOVING_US);
        }
    }

    /// Hands out the tables that are due to be read again.
    pub fn take_due(&mut self, now_us: u64) -> Vec<TableId> {
        let mut due = Vec::new();
        for (table, times) in (0..).map(TableId).zip(&mut self.by_table) {
            if times.again_at_us.take_if(|at_us| *at_us <= now_us).is_some() {
                due.push(table);
            }
        }
        due
    }

    /// A table is gone, or another of the same name: it may be asked for at once.
    pub fn forget(&mut self, table: TableId) {
        if let Some(times) = self.times(table) {
            *times = Times::default();
        }
    }

    fn times(&mut self, table: TableId) -> Option<&mut Times> {
        let at = usize::try_from(table.0).ok()?;
        if self.by_table.len() <= at {
            self.by_table.resize(at + 1, Times::default());
        }
        self.by_table.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: TableId = TableId(3);

    #[test]
    fn a_table_is_asked_for_once_and_again_when_nothing_came() {
        let mut times = ReadTimes::default();
        assert!(times.ask(T, Want::Named, 0) && times.ask(TableId(0), Want::Unknown, 0));
        for want in [Want::Named, Want::Unknown] {
            assert!(!times.ask(T, want, ASK_AGAIN_US - 1));
        }
        assert!(times.ask(T, Want::Named, ASK_AGAIN_US));
    }

    #[test]
    fn a_table_that_was_read_rests_until_it_is_made_anew() {
        let mut times = ReadTimes::default();
        times.on_end(T, ReadEnd::Complete { moving: false }, 0);
        assert!(!times.ask(T, Want::Unknown, UNKNOWN_AGAIN_US - 1));
        assert!(!times.ask(T, Want::Named, u64::MAX / 2), "it is known");
        assert!(times.take_due(u64::MAX).is_empty());
        assert!(times.ask(T, Want::Unknown, UNKNOWN_AGAIN_US));
        times.on_end(T, ReadEnd::Complete { moving: false }, UNKNOWN_AGAIN_US);
        times.forget(T);
        assert!(times.ask(T, Want::Named, UNKNOWN_AGAIN_US));
    }

    #[test]
    fn a_table_with_moving_tablets_is_read_again_when_they_have_moved() {
        let mut times = ReadTimes::default();
        times.on_end(T, ReadEnd::Complete { moving: true }, 5);
        assert!(times.take_due(4 + MOVING_US).is_empty());
        assert_eq!(times.take_due(5 + MOVING_US), [T]);
        assert!(times.ask(T, Want::Again, 5 + MOVING_US));
        assert!(times.take_due(u64::MAX).is_empty());
    }

    #[test]
    fn without_the_right_to_read_no_table_is_asked_for_in_a_long_time() {
        let mut times = ReadTimes::default();
        times.on_end(T, ReadEnd::Refused, 0);
        assert!(!times.ask(TableId(7), Want::Named, REFUSED_US - 1));
        assert!(!times.ask(TableId(7), Want::Again, REFUSED_US - 1));
        assert!(times.ask(TableId(7), Want::Named, REFUSED_US));
        assert!(times.ask(T, Want::Unknown, REFUSED_US));
    }

    #[test]
    fn unknown_tablets_are_few_and_each_table_once() {
        let mut times = ReadTimes::default();
        for table in (0..200).chain(0..200) {
            times.on_unknown(TableId(table));
        }
        assert_eq!(times.take_unknown().len(), UNKNOWN_MAX);
        assert!(times.take_unknown().is_empty());
    }
}
