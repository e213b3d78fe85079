//! How one lane is opened.

pub mod cure;
pub mod dial;
pub mod dial_error;
pub mod dial_stats;
pub mod exchange;
pub mod extensions;
#[cfg(test)]
pub(in crate::net) mod fake_node;
pub mod handshake;
pub mod proxied;
