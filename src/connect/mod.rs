//! Opens one connection to a node: TCP, TLS, handshake, login.

pub mod conversation;
pub mod dial_error;
pub mod dial_report;
pub mod dial_stats;
pub(crate) mod dial_tasks;
pub mod dialer;
pub(crate) mod exchange;
pub mod extensions;
#[cfg(test)]
pub(crate) mod fake_node;
#[cfg(test)]
pub(crate) mod fake_worker;
pub mod handshake;
pub mod handshake_budget;
pub(crate) mod hint;
pub(crate) mod proxy_protocol;
pub mod tls; // TLS to nodes
