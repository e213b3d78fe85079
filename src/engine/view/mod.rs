//! What an engine shows of itself: what it has counted, and what is in it at one moment.

pub mod gauges;
pub mod inspection;
mod questions;
pub mod slow_request;
pub mod tally;
