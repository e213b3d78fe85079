//! TLS to nodes.

pub mod node_tls;
pub(crate) mod node_verifier;
pub(crate) mod tls_hint;
