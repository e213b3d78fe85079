//! Bounds, and what waits.

pub mod histogram;
pub mod limits;
pub mod outbox;
pub mod seldom;
pub mod slab;
