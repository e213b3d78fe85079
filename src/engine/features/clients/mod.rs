//! What holds one client up, or moves it.

pub(crate) mod keyspaces;
pub(crate) mod logins;
pub(crate) mod memory;
pub(crate) mod moves;
pub(crate) mod newcomers;
