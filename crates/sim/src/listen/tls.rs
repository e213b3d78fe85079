//! TLS of the simulated nodes.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;

/// How the nodes speak TLS. All show the same certificate.
#[derive(Clone)]
pub struct SimTls {
    /// What the next connection goes by: files may be replaced at any time.
    pub config: Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>,
    /// Whether the two usual ports speak it, instead of two more. SUPPORTED then tells of no port
    /// for TLS, as the real server does whose settings name none.
    pub only: bool,
}

impl fmt::Debug for SimTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimTls").field("only", &self.only).finish_non_exhaustive()
    }
}
