//! Put together, start, drain.

pub mod dials;
pub mod drain;
pub mod signals;
