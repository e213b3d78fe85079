//! One watching connection: topology and schema become snapshots.

pub mod agenda;
pub mod connection;
pub mod contact_point;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod control;
pub mod cure;
pub mod error;
#[cfg(test)]
mod fake_tables;
pub mod metadata;
pub mod publication;
pub mod race;
pub mod reach;
pub mod routes;
pub mod server_tables;
pub mod strangers;
pub mod watch;
