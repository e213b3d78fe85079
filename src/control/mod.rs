//! One watching connection: topology and schema become snapshots.

pub mod agenda;
pub mod connection;
pub mod contact_point;
pub mod control;
pub mod error;
pub mod metadata;
pub mod publication;
pub mod reach;
pub mod server_tables;
pub mod watch;
