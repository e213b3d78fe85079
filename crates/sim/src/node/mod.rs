//! One simulated node's side of a connection: frames in, frames out.

pub(crate) mod connection; // one client connection's state
pub(crate) mod frames; // bytes in, bytes out
pub(crate) mod messages; // requests and permissions
#[cfg(test)]
pub(crate) mod probe; // a client without a socket, for tests
pub(crate) mod replicas; // checks a request against its replicas
pub(crate) mod trace_notes; // events of a trace
