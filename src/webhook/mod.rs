//! The admission webhook: the API server asks about each new pod, over HTTPS.

pub(crate) mod counts;
pub(crate) mod http;
pub(crate) mod server;
