//! Sessions on one side, lanes on the other.

pub mod action;
pub mod answers;
pub mod client;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod engine;
pub mod gauges;
pub mod homes;
pub mod limits;
pub mod pending;
pub mod pool_lanes;
pub mod requests;
pub mod tally;
pub mod trouble;
