//! Sockets of a worker, and when they are ready.

pub(crate) mod descriptors;
pub mod line;
pub mod polled;
pub mod poller;
pub mod relay;
pub mod transport;
