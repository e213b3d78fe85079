//! The shell around the engine, played without tasks and sockets.

pub(in crate::sim::world) mod control; // stands in for the control connection
pub(in crate::sim::world) mod keeper; // stands in for the lane keepers
pub(in crate::sim::world) mod lanes; // dialling lanes, and their end
mod worker; // reads, feeds the engine, writes
