//! Clients: what they may do, what holds them up, and how they move.

pub(crate) mod bounds;
pub(crate) mod keyspace_statements;
pub(crate) mod keyspaces;
pub(crate) mod login_chaos;
pub(crate) mod logins;
pub(crate) mod memory;
pub(crate) mod met_bounds;
pub(crate) mod moves;
pub(crate) mod newcomers;
pub(crate) mod restart;
