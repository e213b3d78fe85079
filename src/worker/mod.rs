//! One worker: a thread with its sockets, its engine and its pools of lanes.

mod accept;
pub mod client_transfer;
pub mod command;
mod giving;
mod housekeeping;
mod login_lines;
pub mod memory_share;
mod pools;
pub mod reactor;
mod ready_list;
mod recess;
pub mod setup;
mod slots;
mod socket;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod worker;
