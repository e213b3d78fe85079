//! The simulated cluster on real sockets.

pub(crate) mod client; // one client's socket
pub(crate) mod error; // errors
pub(crate) mod handle; // a cluster on a thread of its own
pub(crate) mod listeners; // what accepts clients
pub(crate) mod options; // options
pub(crate) mod ports; // ports of the nodes, and their sockets
pub(crate) mod proxied; // headers of the PROXY protocol
pub(crate) mod serve; // runs a cluster on sockets
pub(crate) mod tls; // TLS of the nodes
pub(crate) mod world; // shared state of all tasks
