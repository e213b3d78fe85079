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

/// A table with tablets that moved while it was read is read again after this, µs; after twice as
/// long when they move still, and so on.
const MOVING_US: u64 = 10_000_000;

/// No wait for tablets that move is longer than so many times twice as long.
const MOVING_DOUBLED_MAX: u32 = 5;

/// From a change to the reading, µs: the nodes have to hear of it first.
const CHANGED_US: u64 = 500_000;

/// After a change that takes a while to settle a table is read once more after this, µs.
const SETTLED_US: u64 = 60_000_000;

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

/// What may have changed a table's tablets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Change {
    /// Nothing but time.
    #[default]
    Time,
    /// Nodes came or went, or events were missed.
    Topology,
    /// Its rows have another number of copies, or others have them: no server tells a request that
    /// reached one replica that there are more.
    Replication,
}

/// When each table was asked for.
#[derive(Debug, Default)]
pub struct ReadTimes {
    /// By number of the table.
    by_table: Vec<Times>,
    /// When the first table is due again, or earlier, µs.
    due_us: u64,
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
    /// When it is due again, and since what may have changed.
    again: Option<(u64, Change)>,
    /// Whether it was read, or could not be.
    is_over: bool,
    /// Whether it is read once more when all has settled.
    settles: bool,
    /// Times that it was read while tablets moved.
    moved: u32,
    /// Answers that the nodes had judged when it was last read.
    judged: u64,
    /// Whether a request used it since then that nodes do not judge.
    is_used: bool,
}

impl Times {
    fn is_in_use(&self, judged: u64) -> bool {
        self.is_used || self.judged != judged
    }
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
        let is_refused = self.is_refused(now_us);
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
        true
    }

    /// Whether the role may not read tablets, as far as is known.
    #[must_use]
    pub fn is_refused(&self, now_us: u64) -> bool {
        now_us < self.refused_until_us
    }

    /// Takes note of how the reading of a table ended, of how many answers about it the nodes had
    /// judged by then, and after how long it is read again, µs; 0 is never.
    pub fn on_end(
        &mut self,
        table: TableId,
        end: ReadEnd,
        judged: u64,
        (now_us, every_us): (u64, u64),
    ) {
        if end == ReadEnd::Refused {
            self.refused_until_us = now_us + REFUSED_US;
        }
        let Some(times) = self.times(table) else { return };
        times.is_over = true;
        times.not_before_us = now_us + UNKNOWN_AGAIN_US;
        times.judged = judged;
        times.is_used = false;
        times.again = match end {
            ReadEnd::Complete { moving: true } => {
                let wait_us = MOVING_US << times.moved.min(MOVING_DOUBLED_MAX);
                times.moved += 1;
                Some((now_us + wait_us, Change::Topology))
            }
            ReadEnd::Complete { moving: false } => {
                times.moved = 0;
                let settles = std::mem::take(&mut times.settles);
                if settles {
                    Some((now_us + SETTLED_US, Change::Replication))
                } else {
                    (every_us > 0).then_some((now_us + every_us, Change::Time))
                }
            }
            ReadEnd::Refused | ReadEnd::Failed => None,
        };
        let again = times.again;
        self.plan(again);
    }

    /// A table's tablets may have changed, which shows in a moment.
    pub fn on_changed(&mut self, table: TableId, change: Change, now_us: u64) {
        let Some(times) = self.times(table) else { return };
        times.settles |= change == Change::Replication;
        let change = if times.settles { Change::Replication } else { change };
        let again = Some((now_us + CHANGED_US, change));
        times.again = again;
        self.plan(again);
    }

    /// Hands out the tables that are due to be read again, and since what may have changed. `judged`
    /// counts the answers about a table that nodes have judged: one that is not used waits on.
    pub fn take_due(
        &mut self,
        (now_us, every_us): (u64, u64),
        judged: impl Fn(TableId) -> u64,
    ) -> Vec<(TableId, Change)> {
        let mut due = Vec::new();
        if now_us < self.due_us {
            return due;
        }
        self.due_us = u64::MAX;
        for (table, times) in (0..).map(TableId).zip(&mut self.by_table) {
            let Some((at_us, change)) = times.again else { continue };
            if at_us > now_us {
                self.due_us = self.due_us.min(at_us);
                continue;
            }
            times.again = None;
            if change == Change::Time && !times.is_in_use(judged(table)) {
                let at_us = now_us + every_us.max(1);
                times.again = Some((at_us, change));
                self.due_us = self.due_us.min(at_us);
            } else {
                due.push((table, change));
            }
        }
        due
    }

    /// A request used a table whose answer says nothing about tablets: a text with its key in it.
    pub fn on_used(&mut self, table: TableId) {
        if let Some(times) = self.times(table) {
            times.is_used = true;
        }
    }

    /// Whether requests used a table since it was last read.
    #[must_use]
    pub fn is_in_use(&self, table: TableId, judged: u64) -> bool {
        let times = usize::try_from(table.0).ok().and_then(|at| self.by_table.get(at));
        times.map_or(judged > 0, |times| times.is_in_use(judged))
    }

    /// Whether a table is read because its replication changed.
    #[must_use]
    pub fn is_after_replication(&self, table: TableId) -> bool {
        let times = usize::try_from(table.0).ok().and_then(|at| self.by_table.get(at));
        times.is_some_and(|times| times.settles)
    }

    /// The tablets of a table are forgotten, as they could not be read after a change: they are once
    /// more when all has settled.
    pub fn on_forgotten(&mut self, table: TableId, now_us: u64) {
        let Some(times) = self.times(table) else { return };
        if std::mem::take(&mut times.settles) {
            let again = Some((now_us + SETTLED_US, Change::Replication));
            times.again = again;
            self.plan(again);
        }
    }

    /// A table is gone, or another of the same name: it may be asked for at once.
    pub fn forget(&mut self, table: TableId) {
        if let Some(times) = self.times(table) {
            *times = Times::default();
        }
    }

    fn plan(&mut self, again: Option<(u64, Change)>) {
        if let Some((at_us, _)) = again {
            self.due_us = self.due_us.min(at_us);
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
    const COMPLETE: ReadEnd = ReadEnd::Complete { moving: false };
    const MOVING: ReadEnd = ReadEnd::Complete { moving: true };
    const EVERY_US: u64 = 600_000_000;

    impl ReadTimes {
        fn end(&mut self, end: ReadEnd, now_us: u64) {
            self.on_end(T, end, 0, (now_us, EVERY_US));
        }

        fn due(&mut self, now_us: u64, judged: u64) -> Vec<(TableId, Change)> {
            self.take_due((now_us, EVERY_US), |_| judged)
        }
    }

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
        times.end(COMPLETE, 0);
        assert!(!times.ask(T, Want::Unknown, UNKNOWN_AGAIN_US - 1));
        assert!(!times.ask(T, Want::Named, u64::MAX / 2), "it is known");
        assert!(times.ask(T, Want::Unknown, UNKNOWN_AGAIN_US));
        times.end(COMPLETE, UNKNOWN_AGAIN_US);
        times.forget(T);
        assert!(times.ask(T, Want::Named, UNKNOWN_AGAIN_US));
    }

    #[test]
    fn a_table_in_use_is_read_every_so_often_and_another_is_not() {
        let mut times = ReadTimes::default();
        times.end(COMPLETE, 5);
        assert_eq!(times.due(4 + EVERY_US, 1), []);
        assert_eq!(times.due(5 + EVERY_US, 0), [], "it was not used");
        assert_eq!(times.due(4 + 2 * EVERY_US, 1), []);
        assert_eq!(times.due(5 + 2 * EVERY_US, 1), [(T, Change::Time)]);
        assert_eq!(times.due(u64::MAX / 2, 2), [], "until it was read");
        times.on_end(T, COMPLETE, 0, (5, 0));
        assert_eq!(times.due(u64::MAX / 2, 9), [], "0 is never");
    }

    #[test]
    fn a_table_is_in_use_by_answers_that_nodes_judge_and_by_others() {
        let mut times = ReadTimes::default();
        assert!(!times.is_in_use(T, 0) && times.is_in_use(T, 1));
        times.on_end(T, COMPLETE, 7, (0, EVERY_US));
        assert!(!times.is_in_use(T, 7) && times.is_in_use(T, 8));
        times.on_used(T);
        assert!(times.is_in_use(T, 7));
        assert_eq!(times.due(EVERY_US, 7), [(T, Change::Time)]);
        times.on_end(T, COMPLETE, 7, (0, EVERY_US));
        assert!(!times.is_in_use(T, 7));
    }

    #[test]
    fn a_table_with_moving_tablets_is_read_again_until_they_have_moved() {
        let mut times = ReadTimes::default();
        let mut now_us = 5;
        for doubled in [0, 1, 2, 3, 4, 5, 5, 5] {
            times.end(MOVING, now_us);
            let wait_us = MOVING_US << doubled;
            assert_eq!(times.due(now_us + wait_us - 1, 0), []);
            now_us += wait_us;
            assert_eq!(times.due(now_us, 0), [(T, Change::Topology)]);
            assert!(times.ask(T, Want::Again, now_us));
        }
        times.end(COMPLETE, now_us);
        times.end(MOVING, now_us);
        assert_eq!(times.due(now_us + MOVING_US, 0), [(T, Change::Topology)]);
    }

    #[test]
    fn after_another_replication_a_table_is_read_and_once_more_when_it_has_settled() {
        let mut times = ReadTimes::default();
        times.end(COMPLETE, 0);
        times.on_changed(T, Change::Replication, 0);
        assert_eq!(times.due(CHANGED_US - 1, 0), []);
        assert_eq!(times.due(CHANGED_US, 0), [(T, Change::Replication)]);
        times.end(MOVING, CHANGED_US);
        let moved_us = CHANGED_US + MOVING_US;
        assert_eq!(times.due(moved_us, 0), [(T, Change::Topology)]);
        times.end(COMPLETE, moved_us);
        assert_eq!(times.due(moved_us + SETTLED_US - 1, 9), []);
        assert_eq!(times.due(moved_us + SETTLED_US, 0), [(T, Change::Replication)]);
        times.end(COMPLETE, moved_us + SETTLED_US);
        assert_eq!(times.due(moved_us + 2 * SETTLED_US, 0), [], "that was all");
    }

    #[test]
    fn what_is_forgotten_after_another_replication_is_forgotten_once_more() {
        let mut times = ReadTimes::default();
        times.on_changed(T, Change::Replication, 0);
        assert_eq!(times.due(CHANGED_US, 0), [(T, Change::Replication)]);
        times.on_forgotten(T, CHANGED_US);
        assert_eq!(times.due(CHANGED_US + SETTLED_US, 0), [(T, Change::Replication)]);
        times.on_forgotten(T, CHANGED_US + SETTLED_US);
        assert_eq!(times.due(u64::MAX / 2, 0), []);
    }

    #[test]
    fn without_the_right_to_read_no_table_is_asked_for_in_a_long_time() {
        let mut times = ReadTimes::default();
        times.end(ReadEnd::Refused, 0);
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
