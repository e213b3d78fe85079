//! What lies between the proxy and the others, and the nodes' end of it.

pub(in crate::sim::world) mod link; // one connection
pub(in crate::sim::world) mod node; // a node's end of a lane
mod transit; // bytes on their way
