//! A worker's share of the memory that the process may take: what it shows the others, and learns of them.

use crate::engine::engine::Engine;
use crate::engine::limits::OtherMemory;
use crate::platform::memory::MemoryShares;

/// A worker shows the others what it holds in steps of so many bytes: nothing is shared on the road.
const STEP_BYTES: usize = 128 << 10;
/// What the process takes without clients is measured so often, µs, while there are none.
const BASE_PAUSE_US: u64 = 1_000_000;
/// Other workers that hold more than this have clients.
const BASE_HELD_BYTES: usize = 4 << 20;

/// What one worker holds, as the others see it.
#[derive(Debug)]
pub struct MemoryShare {
    shares: MemoryShares,
    number: usize,
    shown: usize,
    base_due_us: u64,
}

impl MemoryShare {
    /// The share of the worker with this number.
    #[must_use]
    pub fn new(shares: MemoryShares, number: usize) -> Self {
        Self { shares, number, shown: 0, base_due_us: 0 }
    }

    /// Shows the other workers what this one holds, once that was measured anew and differs.
    pub fn show(&mut self, engine: &mut Engine) {
        let held = engine.memory_held();
        if held.abs_diff(self.shown) >= STEP_BYTES {
            self.shown = held;
            self.shares.publish(self.number, held);
            self.learn_others(engine);
        }
    }

    /// Learns what the rest of the process takes. What it takes without clients is measured now and then
    /// while there are none.
    pub fn learn(&mut self, engine: &mut Engine, now_us: u64, is_idle: bool) {
        if engine.limits().memory_bytes_max == 0 {
            return;
        }
        if self.base_due_us <= now_us {
            self.base_due_us = now_us + BASE_PAUSE_US;
            if is_idle && self.shares.of_others(self.number) < BASE_HELD_BYTES {
                self.shares.measure_base();
            }
        }
        self.learn_others(engine);
    }

    fn learn_others(&self, engine: &mut Engine) {
        let workers = self.shares.of_others(self.number);
        let others = self.shares.workers().saturating_sub(1);
        engine.on_other_memory(OtherMemory { base: self.shares.base(), workers, others });
    }
}
