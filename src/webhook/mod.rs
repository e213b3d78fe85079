//! The admission webhook: the API server asks about each new pod, over HTTPS.

pub mod counts;
pub mod http;
pub mod server;
