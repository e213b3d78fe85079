//! One client connection: its phases, and what is answered without the cluster.

pub mod session;
