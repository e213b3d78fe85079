//! The engine of one worker: client sessions, lanes to shards, and what routes between them.

pub mod action;
mod answers;
pub mod client;
mod core;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod engine;
mod features;
pub mod learned;
pub mod limits;
mod newcomers;
pub mod payloads;
pub mod pending;
mod requests;
pub mod settings;
mod succession;
mod timers;
pub mod verdict;
pub mod view;
