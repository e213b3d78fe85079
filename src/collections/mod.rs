//! Data structures of the data path.

pub mod histogram;
pub mod outbox;
pub mod slab;
