//! The way down: from a lane to a client.

pub mod agreement;
pub mod deliver;
pub mod learn;
pub mod metadata_ids;
pub mod passing;
pub mod reprepare;
