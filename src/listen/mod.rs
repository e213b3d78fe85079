//! Accepts clients: TCP and Unix listeners, and TLS towards clients.

pub mod client_tls;
pub mod listener;
pub(crate) mod passed;
pub(crate) mod tls_places;
pub(crate) mod unix_listener;
