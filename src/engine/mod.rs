//! Sessions on one side, lanes on the other.

pub mod answers;
pub mod client;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod engine;
pub mod field;
pub mod gauges;
pub mod homes;
pub mod order;
pub mod pending;
pub mod requests;
pub mod tally;
pub mod trouble;
