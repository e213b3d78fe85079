//! What the machine provides: the clock, memory, small files, and a limit on log lines that repeat.

pub mod allocator;
pub mod bounded_file;
pub mod clock;
pub mod log_throttle;
pub mod memory;
pub mod replaced_file;
pub mod service_manager;
