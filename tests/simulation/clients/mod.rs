//! The clients of a world.

mod crowd; // all of them
pub(crate) mod driver; // one modelled client
pub(crate) mod hogs; // those that take memory
pub(crate) mod intruders; // those that log in as none should
