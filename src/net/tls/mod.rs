//! TLS on both sides: towards the nodes, and towards clients.

pub mod client_tls;
pub mod error;
pub mod explain;
pub mod files;
pub mod node_tls;
pub mod node_verifier;
pub mod rotated;
#[cfg(test)]
pub(crate) mod test_certificates;
pub mod validity;
