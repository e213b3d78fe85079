//! How a node is found that can be watched.

pub mod connection;
pub mod contact_point;
pub mod cure;
pub mod race;
pub mod reach;
pub mod strangers;
