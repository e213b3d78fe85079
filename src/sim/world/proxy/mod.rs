//! The shell around the engines, played without tasks and sockets.

pub(in crate::sim::world) mod control; // stands in for the control connection
pub(in crate::sim::world) mod crew; // the workers
mod demand; // lanes that are opened when requests ask for them
mod failover; // other data centers
pub(in crate::sim::world) mod greeting; // what is said before a connection is anybody's
pub(in crate::sim::world) mod keeper; // stands in for the lane keepers
pub(in crate::sim::world) mod lanes; // dialling lanes, and their end
pub(in crate::sim::world) mod logins; // stands in for the login desk
pub(in crate::sim::world) mod passing; // large answers, which are not copied
pub(in crate::sim::world) mod worker; // reads, feeds an engine, writes
