//! What workers show each other of the memory that they hold, and whether all of it is within its bound.

use crate::model::ledger::Record;
use crate::network::link::LinkId;
use crate::proxy::workers::Worker;
use crate::world::World;

/// Bytes that workers may hold beyond the bound before they have shown each other what they hold.
const SHOWN_BYTES: u64 = 256 << 10;

impl World {
    /// A worker has done all that was to do: it shows what it holds.
    pub(crate) fn show_memory(&mut self, number: usize) {
        let Worker { engine, memory, .. } = self.workers.get_mut(number);
        memory.show(engine);
        self.check_memory();
    }

    /// A worker learns what the others hold.
    pub(crate) fn learn_memory(&mut self, number: usize) {
        let now_us = self.now_us;
        let Worker { engine, memory, .. } = self.workers.get_mut(number);
        // What the test itself takes is not to be measured.
        memory.learn(engine, now_us, false);
    }

    /// What is held for clients and lanes is within its bound.
    fn check_memory(&mut self) {
        let max = u64::try_from(self.scenario.limits.memory_bytes_max).unwrap_or(u64::MAX);
        if max == 0 {
            return;
        }
        let held = self.workers.all().map(|worker| worker.engine.gauges().memory_held);
        let held: u64 = held.sum();
        let others = u64::try_from(self.scenario.workers - 1).unwrap_or(0);
        if held > max + others * SHOWN_BYTES {
            self.blame(format_args!("workers hold {held} bytes, and may hold {max}"));
        }
    }

    /// Whether a client may be closed since others need the memory: it has a long request on its way.
    pub(crate) fn may_lack_memory(&self, id: LinkId) -> bool {
        let is_long = |number: &u64| self.ledger.get(*number).is_some_and(|it| it.is_long);
        let driver = self.drivers.iter().find(|driver| driver.link == Some(id));
        let is_bounded = self.scenario.limits.memory_bytes_max > 0;
        // Near the bound a new client is refused.
        is_bounded && driver.is_some_and(|it| !it.ready || it.waiting.values().any(is_long))
    }

    /// Whether an ERROR refuses for want of memory a request that is not long.
    pub(crate) fn is_refused_small(record: &Record, text: &str) -> bool {
        text.starts_with("shardlane has no memory") && !record.is_long
    }
}
