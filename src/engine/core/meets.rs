//! Says for the log which bound refused something.

use crate::engine::action::Action;
use crate::engine::core::core::Core;
use crate::engine::limits::KEYS;

impl Core {
    /// Something is refused since the bound of a setting is met. `value` is in the setting's own unit.
    #[cold]
    pub(crate) fn meets(&mut self, setting: &'static str, value: u64) {
        if let Some(left_out) = self.met_bounds.next(setting, self.now_us) {
            self.actions.push_back(Action::BoundMet { setting, value, left_out });
        }
    }

    /// The same for the bound of memory.
    #[cold]
    pub(crate) fn meets_memory(&mut self) {
        let max = u64::try_from(self.settings.limits.memory_bytes_max).unwrap_or(u64::MAX);
        self.meets(KEYS.memory_bytes_max, max);
    }
}
