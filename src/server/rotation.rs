//! Looks after files that are replaced while we run: certificates, keys and CAs.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::settings::Settings;
use crate::connect::tls::node_tls::NodeTls;
use crate::listen::client_tls::ClientTls;
use crate::telemetry::report::{RotationReport, TlsReport};
use crate::tls::error::TlsError;
use crate::tls::rotated::RotationCounts;

/// TLS on both sides, as far as it is wanted. Cheap to clone: all clones share one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    /// Towards the nodes.
    pub nodes: Option<Arc<NodeTls>>,
    /// Towards clients.
    pub clients: Option<Arc<ClientTls>>,
}

impl Tls {
    /// Reads all files for the first time.
    pub(crate) fn load(settings: &Settings) -> Result<Self, TlsError> {
        Ok(Self {
            nodes: NodeTls::load(&settings.node_tls)?.map(Arc::new),
            clients: ClientTls::load(&settings.client_tls)?.map(Arc::new),
        })
    }

    /// Whether there is anything to look after.
    #[must_use]
    pub(crate) fn is_used(&self) -> bool {
        self.nodes.is_some() || self.clients.is_some()
    }

    /// Looks at all files every `every_ms`, for ever. What is good serves the next connection; what
    /// is not is logged, and changes nothing.
    pub(crate) async fn look_after(self, every_ms: u64) {
        loop {
            sleep(Duration::from_millis(every_ms)).await;
            let files = self.clone();
            // A file system may be slow, or hang.
            if spawn_blocking(move || files.look()).await.is_err() {
                return;
            }
        }
    }

    fn look(&self) {
        if let Some(nodes) = &self.nodes {
            nodes.rotated.look_and_log("nodes");
        }
        if let Some(clients) = &self.clients {
            clients.rotated.look_and_log("clients");
        }
    }

    /// What telemetry exports of it.
    #[must_use]
    pub(crate) fn report(&self) -> TlsReport {
        let nodes = self.nodes.as_ref().map(|tls| ("nodes", tls.rotated.counts()));
        let clients = self.clients.as_ref().map(|tls| ("clients", tls.rotated.counts()));
        let rotations = nodes.into_iter().chain(clients);
        let handshakes = self.clients.as_ref().map(|tls| tls.stats.counts());
        TlsReport {
            rotations: rotations.map(|(side, counts)| rotation(side, counts)).collect(),
            client_handshakes: handshakes.unwrap_or_default(),
        }
    }
}

fn rotation(side: &'static str, counts: RotationCounts) -> RotationReport {
    let RotationCounts { loads, failures, expires_s } = counts;
    RotationReport { side, loads, failures, expires_s }
}
