//! Sockets of a worker, and when they are ready.

pub mod line;
pub mod polled;
pub mod poller;
pub mod transport;
