//! HTTPS for the API server: few connections, which are kept, with a certificate that is replaced while it runs.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::collections::log_throttle::LogThrottle;
use crate::inject::sidecar::Sidecar;
use crate::listen::client_tls::server_config;
use crate::platform::clock;
use crate::tls::error::TlsError;
use crate::tls::files::TlsFiles;
use crate::tls::rotated::Rotated;
use crate::webhook::counts::Handshake;
use crate::webhook::http::{self, Answers};

/// Connections at one time. A cluster has a handful of API servers, each with a few.
const CONNECTIONS_MAX: usize = 256;

/// Time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for the head of a request, and for a kept connection until its next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(90);

/// Longest head of a request, bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long a connection is kept in all. It frees the places of slow clients.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often the certificate's files are looked at.
const FILE_POLL: Duration = Duration::from_secs(5);

/// Times of the end of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// It serves on for so long: the API servers learn only after a moment that this one is gone.
    pub linger: Duration,
    /// Then requests have so long to finish.
    pub drain: Duration,
}

impl Default for Ending {
    fn default() -> Self {
        Self { linger: Duration::from_secs(5), drain: Duration::from_secs(5) }
    }
}

/// A webhook that listens.
#[derive(Debug)]
pub(crate) struct Webhook {
    listener: TcpListener,
    certificate: Arc<Rotated<ServerConfig>>,
    answers: Arc<Answers>,
}

impl Webhook {
    /// Reads the certificate, whose errors say what is wrong with which file.
    pub(crate) fn load(files: TlsFiles) -> Result<Rotated<ServerConfig>, TlsError> {
        Rotated::load(files, Box::new(server_config))
    }

    /// A webhook whose pods get `defaults` unless their annotations say otherwise.
    #[must_use]
    pub(crate) fn new(
        listener: TcpListener,
        certificate: Rotated<ServerConfig>,
        defaults: Sidecar,
    ) -> Self {
        let certificate = Arc::new(certificate);
        let answers = Answers::new(defaults, Arc::clone(&certificate));
        Self { listener, certificate, answers }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready, and then until `ending` is over.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>, ending: Ending) {
        let (end, ended) = watch::channel(());
        let mut connections = JoinSet::new();
        let rotation = tokio::spawn(look_after(Arc::clone(&self.certificate)));
        let mut over = pin!(async {
            stop.await;
            sleep(ending.linger).await;
        });
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut failures = LogThrottle::default();
        loop {
            let accepted = tokio::select! {
                () = &mut over => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    // Without a place the connection is closed, and the API server tries another of us.
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        self.answers.counts().on_handshake(Handshake::TurnedAway);
                        continue;
                    };
                    let acceptor = TlsAcceptor::from(self.certificate.get());
                    let (answers, ended) = (Arc::clone(&self.answers), ended.clone());
                    connections.spawn(async move {
                        serve_one(stream, acceptor, answers, ended).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    if let Some(suppressed) = failures.next(clock::now_us()) {
                        tracing::warn!(%error, suppressed, "the webhook cannot accept a connection");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        drop(end);
        let drained = async { while connections.join_next().await.is_some() {} };
        // What is not finished by then is closed.
        timeout(ending.drain, drained).await.ok();
        rotation.abort();
    }
}

/// Serves the requests of one connection; `ended` reports when there should be no more.
async fn serve_one(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    answers: Arc<Answers>,
    mut ended: watch::Receiver<()>,
) {
    let stream = match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            answers.counts().on_handshake(Handshake::Done);
            stream
        }
        Ok(Err(error)) => {
            answers.counts().on_handshake(Handshake::Failed);
            if let Some(suppressed) = answers.counts().next_line(clock::now_us()) {
                tracing::warn!(%error, suppressed, "a TLS handshake with the webhook failed");
            }
            return;
        }
        Err(_) => {
            answers.counts().on_handshake(Handshake::TimedOut);
            return tracing::debug!("a TLS handshake did not end in time");
        }
    };
    let service = service_fn(move |request| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(answers.answer(request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let finished = timeout(CONNECTION_TIMEOUT, async {
        tokio::select! {
            finished = &mut serving => return finished,
            _ = ended.changed() => serving.as_mut().graceful_shutdown(),
        }
        serving.await
    });
    if let Ok(Err(error)) = finished.await {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Looks at the certificate's files for ever. A file system may be slow, or hang.
async fn look_after(certificate: Arc<Rotated<ServerConfig>>) {
    loop {
        sleep(FILE_POLL).await;
        let certificate = Arc::clone(&certificate);
        if spawn_blocking(move || certificate.look_and_log(http::SIDE)).await.is_err() {
            return;
        }
    }
}
