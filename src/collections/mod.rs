//! Data structures of the data path, and a limit on log lines that repeat.

pub(crate) mod allowance;
pub mod histogram;
pub(crate) mod key_table;
pub mod latency_sample;
pub(crate) mod log_throttle;
pub mod outbox;
pub mod slab;
pub(crate) mod spare;
