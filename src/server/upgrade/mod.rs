//! One process takes the place of another.

pub mod handover;
pub mod places;
pub mod succession;
pub mod takeover;
