//! The engine of one worker: client sessions, lanes to shards, and what routes between them.

pub mod action;
mod answers;
pub mod client;
mod core;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod engine;
mod features;
pub mod gauges;
pub mod inspection;
pub mod learned;
pub mod limits;
mod newcomers;
pub mod payloads;
pub mod pending;
mod questions;
mod requests;
pub mod settings;
pub mod slow_request;
mod succession;
pub mod tally;
mod timers;
pub mod verdict;
