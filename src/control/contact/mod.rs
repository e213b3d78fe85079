//! How a node is found that can be watched.

pub mod connection;
pub mod contact_point;
pub(crate) mod hint;
pub(crate) mod opened_node;
pub(crate) mod race;
pub(crate) mod reach;
pub(crate) mod unlisted;
