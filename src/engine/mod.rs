//! Sessions on one side, lanes on the other.

pub mod agreement;
pub mod client;
pub mod deliver;
pub mod demand;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod engine;
pub mod expire;
pub mod field;
pub mod forward;
pub mod gauges;
pub mod heartbeat;
pub mod inbound;
pub mod keyspaces;
pub mod lane_compression;
pub mod learn;
pub mod local;
pub mod login;
pub mod lost;
pub mod metadata_ids;
pub mod order;
pub mod pages;
pub mod passing;
pub mod pending;
pub mod refused;
pub mod remote;
pub mod reprepare;
pub mod retry_budget;
pub mod sets;
pub mod speculate;
pub mod spread;
pub mod stall;
pub mod tally;
