//! How a node is found that can be watched.

pub mod connection;
pub mod contact_point;
pub mod hint;
pub mod opened_node;
pub mod race;
pub mod reach;
pub mod unlisted;
