//! One worker: a thread with its sockets, its engine and its pools of lanes.

pub(crate) mod clients;
pub(crate) mod command;
mod housekeeping;
pub mod memory_share;
mod pools;
pub(crate) mod reactor;
mod ready_list;
mod recess;
pub(crate) mod setup;
mod slots;
mod socket;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod worker;
