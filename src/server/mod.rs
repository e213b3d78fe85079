//! Put together, start, drain.

pub mod drain;
pub mod signals;
