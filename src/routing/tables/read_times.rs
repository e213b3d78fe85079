//! When the tablets of which table are asked for: soon after requests want them, and not too often.

use crate::topology::table::TableId;
use crate::topology::tablet_page::ReadEnd;

/// A table whose tablets did not come is asked for again after this, µs: the request may be lost.
const ASK_AGAIN_US: u64 = 5_000_000;

/// Times that a reading is asked for without an answer, after twice as long each time, before a request has to
/// want it again.
const TRIES_MAX: u32 = 6;

/// A table that was read, or could not be read, is not read again for this long, µs, only because
/// some tablet is not known.
const UNKNOWN_AGAIN_US: u64 = 60_000_000;

/// When a role may not read tablets, or a table, it is not asked with its rights for this long, µs.
pub(crate) const REFUSED_US: u64 = 600_000_000;

/// A table with tablets that moved while it was read is read again after this, µs; after twice as
/// long when they move still, and so on.
const MOVING_US: u64 = 10_000_000;

/// A table of which a tablet was read where a node had reported another a moment ago is read again after this,
/// µs; after twice as long the next time, and so on. By then what was reported has settled
/// ([`SETTLE_MS`](crate::topology::tablet_map::SETTLE_MS)).
const UNSETTLED_US: u64 = 2_000_000;

/// No wait for tablets that move is longer than so many times twice as long.
const MOVING_DOUBLED_MAX: u32 = 5;

/// From a change to the reading, µs: the nodes have to hear of it first.
const CHANGED_US: u64 = 500_000;

/// A table that may have changed and is not used is looked at again after this, µs: it is read soon
/// after a request has used it.
const UNUSED_US: u64 = 1_000_000;

/// After a change that takes a while to settle a table is read once more after this, µs.
const SETTLED_US: u64 = 60_000_000;

/// Tables with unknown tablets that are kept until they are looked at.
const UNKNOWN_MAX: usize = 64;

/// Why a table's tablets are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    /// A statement names it.
    Named,
    /// A request met a tablet that is not known.
    Unknown,
    /// What was read of it may have changed.
    Again,
}

/// What may have changed a table's tablets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum TabletsChange {
    /// Nothing but time.
    #[default]
    Time,
    /// Nodes came or went, or events were missed.
    Topology,
    /// Its rows have another number of copies, or others have them: no server reports that to a request that
    /// reached one replica that there are more.
    Replication,
}

/// A reading of a table that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedReading {
    /// When it began, µs.
    pub began_us: u64,
    /// How it ended.
    pub end: ReadEnd,
    /// How many answers about the table the nodes had judged by its end.
    pub judged: u64,
}

/// When it is, and how often tables are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Now, µs.
    pub now_us: u64,
    /// After how long a table is read again that is in use, µs; 0 is never.
    pub every_us: u64,
}

/// When each table was asked for.
#[derive(Debug, Default)]
pub(crate) struct ReadTimes {
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
    again: Option<(u64, TabletsChange)>,
    /// Until when the reading that was asked for has to have ended, not to be asked for again.
    retry_us: Option<u64>,
    /// How often it was asked for in vain.
    tries: u32,
    /// Whether it was read, or could not be.
    is_over: bool,
    /// A tablet that is found moved has it read no earlier.
    rests_until_us: u64,
    /// When it may have changed, as far as is known.
    changed_us: u64,
    /// Whether it is read once more when all has settled.
    settles: bool,
    /// Times that it was read while tablets moved.
    moved: u32,
    /// Set where the reading that goes on has found a tablet that could not be taken yet: how long after its end
    /// the next one begins, µs.
    again_after_us: Option<u64>,
    /// Answers that the nodes had judged when it was last read.
    judged: u64,
    /// Whether a request used it since then that nodes do not judge.
    is_used: bool,
}

impl Times {
    /// The reading that was asked for did not end in time.
    fn on_lost(&mut self, now_us: u64) {
        let wait_us = ASK_AGAIN_US << self.tries;
        self.tries += 1;
        self.retry_us = (self.tries < TRIES_MAX).then_some(now_us + wait_us);
    }

    fn is_in_use(&self, judged: u64) -> bool {
        self.is_used || self.judged != judged
    }
}

impl ReadTimes {
    /// Takes note that a request met a tablet that is not known.
    #[cold]
    pub(crate) fn on_unknown(&mut self, table: TableId) {
        if self.unknown.len() < UNKNOWN_MAX && !self.unknown.contains(&table) {
            self.unknown.push(table);
        }
    }

    /// Hands out the tables with unknown tablets that were met since the last call.
    pub(crate) fn take_unknown(&mut self) -> Vec<TableId> {
        std::mem::take(&mut self.unknown)
    }

    /// Whether a table that is wanted is to be asked for now, and takes note that it is.
    pub(crate) fn ask(&mut self, table: TableId, want: Want, now_us: u64) -> bool {
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
        times.rests_until_us = now_us + ASK_AGAIN_US;
        if want != Want::Again {
            (times.tries, times.retry_us) = (1, Some(now_us + ASK_AGAIN_US));
            self.due_us = self.due_us.min(now_us + ASK_AGAIN_US);
        }
        true
    }

    /// Whether the role may not read tablets, as far as is known.
    #[must_use]
    pub(crate) fn is_refused(&self, now_us: u64) -> bool {
        now_us < self.refused_until_us
    }

    /// Takes note that a tablet was read whose host is not known yet: when the reading has ended, the table is
    /// read again as if that tablet moved.
    pub(crate) fn on_unplaced(&mut self, table: TableId) {
        self.again_after(table, MOVING_US);
    }

    /// Takes note that a tablet was read and not taken, since a node had reported another a moment ago: the table
    /// is read again once that has settled.
    pub(crate) fn on_unsettled(&mut self, table: TableId) {
        self.again_after(table, UNSETTLED_US);
    }

    /// Has a table read again so long after the reading that goes on, or sooner for another reason.
    fn again_after(&mut self, table: TableId, wait_us: u64) {
        if let Some(times) = self.times(table) {
            times.again_after_us = Some(times.again_after_us.map_or(wait_us, |us| us.min(wait_us)));
        }
    }

    /// Takes note of how a reading of a table ended.
    pub(crate) fn on_end(&mut self, table: TableId, reading: EndedReading, pace: Pace) {
        let EndedReading { began_us, end, judged } = reading;
        let Pace { now_us, every_us } = pace;
        if end == ReadEnd::Refused {
            self.refused_until_us = now_us + REFUSED_US;
        }
        let Some(times) = self.times(table) else { return };
        times.is_over = true;
        times.retry_us = None;
        times.not_before_us = now_us + UNKNOWN_AGAIN_US;
        times.rests_until_us = now_us + MOVING_US;
        let untaken_us = times.again_after_us.take();
        if began_us < times.changed_us && end != ReadEnd::Refused {
            // It may be older than what has changed, and is due again.
            return;
        }
        times.judged = judged;
        // What had it read was a use, and is not served before all of it is taken.
        times.is_used = untaken_us.is_some();
        times.again = match end {
            ReadEnd::Complete { moving } if moving || untaken_us.is_some() => {
                let wait_us =
                    untaken_us.unwrap_or(MOVING_US) << times.moved.min(MOVING_DOUBLED_MAX);
                times.moved += 1;
                Some((now_us + wait_us, TabletsChange::Topology))
            }
            ReadEnd::Complete { .. } => {
                times.moved = 0;
                let settles = std::mem::take(&mut times.settles);
                if settles {
                    Some((now_us + SETTLED_US, TabletsChange::Replication))
                } else {
                    (every_us > 0).then_some((now_us + every_us, TabletsChange::Time))
                }
            }
            ReadEnd::Refused | ReadEnd::Failed => None,
        };
        let again = times.again;
        self.plan(again);
    }

    /// A table's tablets may have changed, which shows in a moment.
    pub(crate) fn on_changed(&mut self, table: TableId, change: TabletsChange, now_us: u64) {
        let Some(times) = self.times(table) else { return };
        times.settles |= change == TabletsChange::Replication;
        let change = if times.settles { TabletsChange::Replication } else { change };
        let again = Some((now_us + CHANGED_US, change));
        (times.changed_us, times.again) = (now_us, again);
        self.plan(again);
    }

    /// A node reported that a tablet is not where it was known to be: others of the table may have moved with
    /// it. The table is read soon, unless it is due for a change already; after its last reading no sooner
    /// than one whose tablets were seen to move.
    pub(crate) fn on_moved(&mut self, table: TableId, now_us: u64) {
        let Some(times) = self.times(table) else { return };
        let at_us = (now_us + CHANGED_US).max(times.rests_until_us);
        match times.again {
            Some((_, TabletsChange::Topology | TabletsChange::Replication)) => return,
            Some((due_us, TabletsChange::Time)) if due_us <= at_us => return,
            Some((_, TabletsChange::Time)) | None => {}
        }
        let again = Some((at_us, TabletsChange::Topology));
        times.again = again;
        self.plan(again);
    }

    /// Hands out the tables that are due to be read again, and since what may have changed. `judged`
    /// counts the answers about a table that nodes have judged: one that is not used waits until it is,
    /// but for another replication.
    pub(crate) fn take_due(
        &mut self,
        Pace { now_us, every_us }: Pace,
        judged: impl Fn(TableId) -> u64,
    ) -> Vec<(TableId, TabletsChange)> {
        let mut due = Vec::new();
        if now_us < self.due_us {
            return due;
        }
        self.due_us = u64::MAX;
        for (table, times) in (0..).map(TableId).zip(&mut self.by_table) {
            let mut is_read = false;
            if let Some((at_us, change)) = times.again {
                let mut next_us = at_us;
                if at_us <= now_us {
                    is_read =
                        change == TabletsChange::Replication || times.is_in_use(judged(table));
                    if is_read {
                        due.push((table, change));
                    }
                    let wait_us = match change {
                        // The request for it may be lost: until it was read it is due again.
                        _ if is_read => ASK_AGAIN_US,
                        TabletsChange::Time => every_us.max(1),
                        TabletsChange::Topology | TabletsChange::Replication => UNUSED_US,
                    };
                    next_us = now_us + wait_us;
                    times.again = Some((next_us, change));
                }
                self.due_us = self.due_us.min(next_us);
            }
            if times.retry_us.is_some_and(|retry_us| retry_us <= now_us) {
                if !is_read {
                    due.push((table, TabletsChange::Time));
                }
                times.on_lost(now_us);
            }
            self.due_us = self.due_us.min(times.retry_us.unwrap_or(u64::MAX));
        }
        due
    }

    /// A request used a table whose answer says nothing about tablets: a text with its key in it.
    pub(crate) fn on_used(&mut self, table: TableId) {
        if let Some(times) = self.times(table) {
            times.is_used = true;
        }
    }

    /// Whether a request that nodes do not judge used a table since it was last read.
    #[must_use]
    pub(crate) fn is_used(&self, table: TableId) -> bool {
        let times = usize::try_from(table.0).ok().and_then(|at| self.by_table.get(at));
        times.is_some_and(|times| times.is_used)
    }

    /// Whether a table is read because its replication changed.
    #[must_use]
    pub(crate) fn is_after_replication(&self, table: TableId) -> bool {
        let times = usize::try_from(table.0).ok().and_then(|at| self.by_table.get(at));
        times.is_some_and(|times| times.settles)
    }

    /// The tablets of a table are forgotten, as they could not be read after a change: they are once
    /// more when all has settled.
    pub(crate) fn on_forgotten(&mut self, table: TableId, now_us: u64) {
        let Some(times) = self.times(table) else { return };
        let settles = std::mem::take(&mut times.settles);
        let again = settles.then_some((now_us + SETTLED_US, TabletsChange::Replication));
        times.again = again;
        self.plan(again);
    }

    /// A table is gone, or another of the same name: it may be asked for at once.
    pub(crate) fn forget(&mut self, table: TableId) {
        if let Some(times) = self.times(table) {
            *times = Times::default();
        }
    }

    fn plan(&mut self, again: Option<(u64, TabletsChange)>) {
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
mod tests;
