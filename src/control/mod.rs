//! One watching connection: topology and schema become snapshots.

pub mod agenda;
pub mod contact;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod control;
pub mod error;
pub mod tables;
pub mod watch;
