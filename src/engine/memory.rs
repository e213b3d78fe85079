//! Memory of an engine, as its shell sees it.

use crate::engine::engine::Engine;
use crate::engine::limits::OtherMemory;

impl Engine {
    /// What the rest of the process takes of `memory_bytes_max`.
    pub fn on_other_memory(&mut self, other: OtherMemory) {
        self.core.memory.other = other;
    }

    /// What it held of `memory_bytes_max` when that was last measured, bytes.
    #[must_use]
    pub fn memory_held(&self) -> usize {
        self.core.memory.held
    }

    /// Measures memory if so much was brought that it may have come near a mark.
    #[inline]
    pub(super) fn look_at_memory(&mut self) {
        if self.core.memory.is_due() {
            let local_bytes = self.features.local.statements().bytes();
            self.features.memory.look(&mut self.core, local_bytes);
            self.do_todo();
        }
    }
}
