//! TLS towards clients.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::Error;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::collections::log_throttle::LogThrottle;
use crate::connect::tls::tls_hint::library_error;
use crate::listen::tls_places::{TlsPlace, TlsPlaces};
use crate::platform::clock;
use crate::sockets::transport::{Transport, below_tls};
use crate::tls::error::{Fault, TlsError, TlsPart};
use crate::tls::files::{Material, TlsFiles, provider};
use crate::tls::rotated::Rotated;

/// The key of the setting that bounds handshakes.
pub(crate) const HANDSHAKES_MAX: &str = "bind_tls.handshakes_max";

/// TLS towards clients; it is off without a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientTlsSettings {
    /// Our certificate and its key; CAs make certificates of clients a duty.
    pub files: TlsFiles,
    /// Longest handshake.
    pub handshake_timeout_ms: u64,
    /// Handshakes that may run at once: they cost CPU, and the client has not
    /// logged in yet.
    pub handshakes_max: usize,
}

impl Default for ClientTlsSettings {
    fn default() -> Self {
        Self { files: TlsFiles::default(), handshake_timeout_ms: 5_000, handshakes_max: 512 }
    }
}

/// Makes TLS connections of what clients open. All workers share it.
#[derive(Debug)]
pub struct ClientTls {
    /// The newest good files.
    pub rotated: Rotated<ServerConfig>,
    /// How handshakes ended.
    pub stats: ClientTlsStats,
    handshake_timeout_ms: u64,
    places: Arc<TlsPlaces>,
    lines: RwLock<LogThrottle>,
}

/// Counts handshakes by how they ended. Any thread may count and read.
#[derive(Debug, Default)]
pub struct ClientTlsStats {
    done: AtomicU64,
    plain: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    too_many: AtomicU64,
}

impl ClientTlsStats {
    /// Counts by result.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("done", read(&self.done)),
            ("plain_cql", read(&self.plain)),
            ("failed", read(&self.failed)),
            ("timed_out", read(&self.timed_out)),
            ("too_many", read(&self.too_many)),
        ]
    }
}

impl ClientTls {
    /// Reads the files; `None` when TLS is not wanted.
    pub fn load(settings: &ClientTlsSettings) -> Result<Option<Self>, TlsError> {
        if settings.files.cert.is_none() {
            return Ok(None);
        }
        let rotated = Rotated::load(settings.files.clone(), Box::new(server_config))?;
        Ok(Some(Self {
            rotated,
            stats: ClientTlsStats::default(),
            handshake_timeout_ms: settings.handshake_timeout_ms,
            places: TlsPlaces::new(settings.handshakes_max),
            lines: RwLock::default(),
        }))
    }

    /// The right to start a handshake; `None` when too many have just begun. Hold it until the handshake is
    /// over.
    #[must_use]
    pub(crate) fn enter(&self) -> Option<TlsPlace> {
        let place = self.places.take(clock::now_us());
        if place.is_none() {
            self.on_too_many();
        }
        place
    }

    /// One client finds no place, or gives its own to another. It has no ERROR to read before the end of its
    /// handshake.
    fn on_too_many(&self) {
        count(&self.stats.too_many);
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(left_out) = lines.next(clock::now_us()) {
            let (setting, value) = (HANDSHAKES_MAX, self.places.max());
            tracing::warn!(
                setting,
                value,
                left_out,
                "a bound was met: what is beyond it is refused"
            );
        }
    }

    /// The TLS handshake with a client; `None` when it failed. That is counted, and logged at level
    /// debug alone: any client can fail here, as often as it likes.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        place: &mut TlsPlace,
    ) -> Option<Transport> {
        let handshake = TlsAcceptor::from(self.rotated.get()).accept(below_tls(stream));
        let limit = Duration::from_millis(self.handshake_timeout_ms);
        let ended = tokio::select! {
            ended = timeout(limit, handshake) => ended,
            () = place.gives_way() => {
                self.on_too_many();
                return None;
            }
        };
        match ended {
            Ok(Ok(stream)) => {
                count(&self.stats.done);
                Some(Transport::Tls(Box::new(TlsStream::Server(stream))))
            }
            Ok(Err(error)) => {
                self.on_failed(&error);
                None
            }
            Err(_) => {
                count(&self.stats.timed_out);
                tracing::debug!("a client did not finish its TLS handshake in time");
                None
            }
        }
    }

    fn on_failed(&self, error: &io::Error) {
        if let Some(Error::InvalidMessage(_)) = library_error(error) {
            count(&self.stats.plain);
            tracing::debug!(
                "a client spoke plain CQL to the TLS listener; turn TLS on in its driver"
            );
        } else {
            count(&self.stats.failed);
            tracing::debug!(%error, "a client's TLS handshake failed");
        }
    }
}

/// The TLS library's settings for these files. Clients need a certificate if there is a CA for it.
pub fn server_config(material: &Material) -> Result<(ServerConfig, Option<i64>), TlsError> {
    let fail = |part, text: String| material.fail(part, Fault::Malformed(text));
    let absent = || material.fail(TlsPart::Key, Fault::Absent("private key"));
    let (identity, expires_s) = material.identity()?.ok_or_else(absent)?;
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| fail(TlsPart::Certificate, error.to_string()))?;
    let builder = match material.roots()? {
        Some(roots) => {
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            builder.with_client_cert_verifier(
                verifier.map_err(|error| fail(TlsPart::Ca, error.to_string()))?,
            )
        }
        None => builder.with_no_client_auth(),
    };
    let resolver = Arc::new(SingleCertAndKey::from(identity));
    Ok((builder.with_cert_resolver(resolver), Some(expires_s)))
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
