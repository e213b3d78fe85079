//! In the calm: statements that are used again are soon prepared on every node, and a flood of statements
//! that are not used is not.

use crate::model::statements::{Handle, RequestKind, Shape};
use crate::scenario::ROWS;
use crate::world::World;

/// Statements that a client prepares one after another.
const FLOOD: u16 = 1_300;
/// As many of them, the last ones, are used afterwards.
const USED: u16 = 8;
/// How often each of those is.
const USES: u32 = 8;
/// Statements that other nodes prepare before any use: at once, and each second.
const AHEAD_MAX: u64 = 1_000;
const AHEAD_PER_S: u64 = 10;
/// PREPAREs that a client has on the way at most.
const AT_ONCE_MAX: u64 = 16;
/// All nodes have got what they are sent within this time.
const ARRIVED_US: u64 = 3_000_000;
/// And a single statement within this one.
const SPREAD_US: u64 = 100_000;

/// The statement of a flood with this number.
fn flooding(number: u16) -> Handle {
    Handle { shape: Shape::Limited(number), keyspace: 0, qualified: true }
}

impl World {
    /// A client prepares more statements than other nodes prepare ahead, then uses some of them.
    pub(crate) fn judge_spreading(&mut self, number: usize) {
        if !self.scenario.floods || self.counted.floods > 0 || self.broken.is_some() {
            return;
        }
        let (began_us, counted) = (self.now_us, self.not_spread());
        // What a client leaves unread is bounded by its window.
        let at_once = self.scenario.window.min(AT_ONCE_MAX);
        for count in 1..=FLOOD {
            let text = flooding(count).text();
            let ask = RequestKind::Prepare(flooding(count));
            self.ask(number, ask, |hand| hand.prepare(&text));
            if u64::from(count).is_multiple_of(at_once) && !self.settle() {
                return;
            }
        }
        let passed_us = self.now_us - began_us;
        if !self.settle() {
            return;
        }
        self.run(self.now_us + ARRIVED_US, |_| false);
        let unused = (1..=FLOOD).filter(|count| self.nodes_without(flooding(*count)).is_empty());
        let spread = unused.collect::<Vec<_>>().len();
        let spread = u64::try_from(spread).unwrap_or(u64::MAX);
        let most = AHEAD_MAX + AHEAD_PER_S * (passed_us / 1_000_000 + 1);
        if spread > most {
            return self.blame(format_args!(
                "{spread} statements that nothing uses are on all nodes, after {passed_us} µs"
            ));
        }
        let counted = self.not_spread() - counted;
        if counted + spread != u64::from(FLOOD) {
            return self.blame(format_args!(
                "of {FLOOD} statements {spread} are on all nodes, and {counted} are counted as not spread"
            ));
        }
        for count in FLOOD - USED + 1..=FLOOD {
            self.judge_spread_by_use(number, flooding(count));
        }
        self.counted.floods += 1;
    }

    /// A client uses a statement: once a node that lacks it is asked for it again, no node lacks it.
    fn judge_spread_by_use(&mut self, number: usize, handle: Handle) {
        for uses in 1..=USES {
            let before = self.nodes_without(handle).len();
            if before == 0 || self.broken.is_some() {
                return;
            }
            let row = self.chance.below(ROWS);
            if self.read_row(number, handle, row).is_none() {
                return;
            }
            self.run(self.now_us + SPREAD_US, |_| false);
            let without = self.nodes_without(handle);
            if uses == 1 || without.len() == before {
                continue;
            }
            self.counted.spread_by_use += 1;
            if !without.is_empty() {
                return self.blame(format_args!(
                    "{} is used for the {uses}. time, and nodes {without:?} have not prepared it",
                    handle.text()
                ));
            }
        }
    }

    /// The nodes that have not prepared a statement.
    fn nodes_without(&mut self, handle: Handle) -> Vec<usize> {
        let id = self.cluster.statement_id(&handle.text(), None).unwrap_or_default();
        let members = self.cluster.members.iter().enumerate();
        let nodes = members.filter(|(_, member)| member.belongs()).map(|(node, _)| node);
        nodes.filter(|node| !self.cluster.has_prepared(*node, &id)).collect()
    }

    /// Statements that workers have counted as not spread.
    fn not_spread(&self) -> u64 {
        self.workers.all().map(|worker| worker.engine.tally().not_spread).sum()
    }
}
