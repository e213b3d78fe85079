//! What the machine provides: the clock, memory and small files.

pub(crate) mod allocator;
pub(crate) mod bounded_file;
pub mod clock;
pub mod memory;
pub(crate) mod replaced_file;
pub(crate) mod service_manager;
