//! What lies between the proxy and the others, and the nodes' end of it.

pub(crate) mod link; // one connection
pub(crate) mod node; // a node's end of a lane
mod transit; // bytes on their way
