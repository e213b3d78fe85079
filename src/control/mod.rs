//! One watching connection: topology and schema become snapshots.

pub mod agenda;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod control;
pub mod error;
pub mod reaching;
pub mod tables;
pub mod watch;
