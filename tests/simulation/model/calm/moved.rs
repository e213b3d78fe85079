//! Texts with constants, of which no node reports a tablet, after their tablets moved.

use crate::model::keys::{KEY_KINDS, key_kind};
use crate::model::statements::{Handle, RequestKind, Shape};
use crate::model::texts::{READ_US, SAMPLED_US};
use crate::world::World;

/// Texts with constants that may go astray after tablets moved, until one of them is sampled: one in 101 is.
const ASTRAY_UNSEEN_MAX: u64 = 110;
/// Texts that are asked for until a sample shows that: of each replica in turn one in 101 is sampled.
const TEXTS_UNSEEN_MAX: usize = 1_000;
/// All tables are read again within so long after they are due.
const REREAD_US: u64 = 20_000_000;

impl World {
    /// Tablets move, and texts with constants are astray no longer than until the next reading.
    pub(in crate::model) fn judge_moved(&mut self, number: usize) {
        let kind = self.chance.index(KEY_KINDS.len());
        let handle = Handle { shape: Shape::Typed(kind), keyspace: 0, qualified: true };
        if !self.move_tablets(0, key_kind(kind).table_name()) {
            return;
        }
        // The readings before this one may all be due as well.
        let until_us = self.now_us + self.scenario.reread_us + REREAD_US;
        while self.now_us < until_us {
            if !self.ask_typed(number, handle, 0) {
                return;
            }
            self.run(self.now_us + READ_US / 4, |_| false);
        }
        self.judge_kind(number, handle);
        self.counted.texts_moved += u64::from(self.broken.is_none());
    }

    /// Tablets move, and nothing but texts with constants asks for their rows: not many are astray until a
    /// sample shows it, and none once the table was read again for that.
    pub(in crate::model) fn judge_found(&mut self, number: usize) {
        let kind = self.chance.index(KEY_KINDS.len());
        let handle = Handle { shape: Shape::Typed(kind), keyspace: 0, qualified: true };
        if !self.move_tablets(0, key_kind(kind).table_name()) {
            return;
        }
        let (before, reported) = (self.text_misses(handle), self.reported_to_texts());
        for at in 0..TEXTS_UNSEEN_MAX {
            let row = u64::try_from(at).unwrap_or(0) % handle.rows();
            let written = self.write_constants(handle, kind, row);
            self.ask(number, RequestKind::Text(handle, row), |hand| written.bytes(hand));
            if !self.settle() {
                return;
            }
            self.run(self.now_us + SAMPLED_US, |_| false);
            if self.reported_to_texts() > reported {
                break;
            }
        }
        let astray = self.text_misses(handle) - before;
        if astray > ASTRAY_UNSEEN_MAX {
            return self.blame(format_args!(
                "{astray} texts of {} were astray, and no sample had shown it before",
                key_kind(kind).table
            ));
        }
        if self.reported_to_texts() == reported {
            // Replicas moved that are in other racks.
            return;
        }
        // What is not used is not read: one more text.
        if self.ask_typed(number, handle, 0) {
            self.run(self.now_us + self.read_again_us(), |_| false);
            self.judge_kind(number, handle);
            self.counted.texts_found += u64::from(self.broken.is_none());
        }
    }

    /// Misses that nodes reported of texts, samples among them.
    fn reported_to_texts(&self) -> u64 {
        let tallies = self.workers.all().map(|worker| worker.engine.tally());
        tallies.flat_map(|tally| &tally.feedback).map(|it| it.text_misses).sum()
    }
}
