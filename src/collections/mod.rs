//! Data structures of the data path.

pub(crate) mod allowance;
pub mod histogram;
pub(crate) mod key_table;
pub mod latency_sample;
pub mod outbox;
pub mod slab;
pub(crate) mod spare;
