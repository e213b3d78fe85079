//! One simulated node's side of a connection: frames in, frames out.

pub(crate) mod connection; // one client connection's state
pub(crate) mod frames; // bytes in, bytes out
pub(crate) mod messages; // what clients ask, and who may
#[cfg(test)]
pub(crate) mod probe; // a client without a socket, for tests
pub(crate) mod replicas; // where a request should have gone, and who lives
pub(crate) mod trace_notes; // what a trace says about a request
