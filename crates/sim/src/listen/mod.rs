//! The simulated cluster on real sockets.

pub(crate) mod client; // one client's socket
pub mod error; // what can go wrong with sockets
pub mod handle; // a cluster on a thread of its own
pub mod listeners; // who listens where
pub mod options; // what is asked for
pub(crate) mod proxied; // headers of the PROXY protocol
pub mod serve; // everything put together
pub mod tls; // TLS of the nodes
pub mod world; // the cluster, the clock and the mail
