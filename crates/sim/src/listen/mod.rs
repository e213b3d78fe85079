//! The simulated cluster on real sockets.

pub(crate) mod client; // one client's socket
pub(crate) mod error; // what can go wrong with sockets
pub(crate) mod handle; // a cluster on a thread of its own
pub(crate) mod listeners; // who listens where
pub(crate) mod options; // what is asked for
pub(crate) mod proxied; // headers of the PROXY protocol
pub(crate) mod serve; // everything put together
pub(crate) mod tls; // TLS of the nodes
pub(crate) mod world; // the cluster, the clock and the mail
