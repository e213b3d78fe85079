//! One watching connection: topology and schema become snapshots.

pub(crate) mod agenda;
pub mod contact;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod control;
pub mod error;
pub mod tables;
pub(crate) mod watch;
