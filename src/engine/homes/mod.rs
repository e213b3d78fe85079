//! Which lanes a client may use: credentials, keyspaces, nodes.

pub mod demand;
pub mod keyspaces;
pub mod login;
pub mod pools;
pub mod remote;
