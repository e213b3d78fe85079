//! Bounds, what waits, and what is told seldom.

pub mod histogram;
pub mod limits;
pub mod outbox;
pub mod seldom;
pub mod slab;
