//! Data structures of the data path.

pub mod allowance;
pub mod histogram;
pub mod key_table;
pub mod latency_sample;
pub mod outbox;
pub mod slab;
pub mod spare;
