//! Accepts clients: TCP and Unix listeners, and TLS towards clients.

pub mod client_tls;
pub mod listener;
pub mod passed;
pub mod unix_listener;
