//! What the machine provides: the clock, memory, small files, and a limit on log lines that repeat.

pub(crate) mod allocator;
pub(crate) mod bounded_file;
pub mod clock;
pub(crate) mod log_throttle;
pub mod memory;
pub(crate) mod replaced_file;
pub(crate) mod service_manager;
