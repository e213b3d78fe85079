//! TLS of the simulated nodes.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;

/// How the nodes speak TLS. All show the same certificate.
#[derive(Clone)]
pub struct SimTls {
    /// The configuration for the next connection: certificate files may change at any time.
    pub config: Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>,
    /// Whether the two usual ports speak TLS, instead of two more. SUPPORTED then names no port for
    /// TLS, like a real server without such ports in its settings.
    pub only: bool,
}

impl fmt::Debug for SimTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimTls").field("only", &self.only).finish_non_exhaustive()
    }
}
