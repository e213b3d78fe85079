//! Bounds, and what waits.

pub mod limits;
pub mod outbox;
pub mod slab;
