//! TLS to nodes.

pub mod node_tls;
pub mod node_verifier;
pub mod tls_hint;
