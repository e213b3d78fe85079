//! The shell around the engines, played without tasks and sockets.

pub(crate) mod control; // stands in for the control connection
mod demand; // lanes that are opened when requests ask for them
mod failover; // other data centers
pub(crate) mod greeting; // what is said before a connection is anybody's
pub(crate) mod lanes; // dialling lanes, and their end
pub(crate) mod logins; // stands in for the login service
pub(crate) mod passing; // large answers, which are not copied
pub(crate) mod refiller; // stands in for the pool refillers
pub(crate) mod worker;
pub(crate) mod workers; // the workers // reads, feeds an engine, writes
