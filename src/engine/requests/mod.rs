//! The way up: from a client to a lane.

pub mod forward;
pub mod inbound;
pub mod lane_compression;
pub mod local;
pub mod local_traces;
pub mod pages;
pub mod spread;
