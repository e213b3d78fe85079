//! The shell around the engines, played without tasks and sockets.

pub(crate) mod control; // stands in for the control connection
pub(crate) mod crew; // the workers
mod demand; // lanes that are opened when requests ask for them
mod failover; // other data centers
pub(crate) mod greeting; // what is said before a connection is anybody's
pub(crate) mod keeper; // stands in for the lane keepers
pub(crate) mod lanes; // dialling lanes, and their end
pub(crate) mod logins; // stands in for the login desk
pub(crate) mod passing; // large answers, which are not copied
pub(crate) mod worker; // reads, feeds an engine, writes
