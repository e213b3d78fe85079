//! The pages over HTTP/1.1: few connections, each short, none for ever.

use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::admin::page::{self, Page, Source};
use crate::platform::clock;
use crate::platform::log_throttle::LogThrottle;

/// Connections at one time: a scraper, a kubelet and some curious people. More wait in the backlog.
const CONNECTIONS_MAX: usize = 128;

/// Time for a request's head. Whoever connects and asks nothing shall not keep a probe waiting.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for one connection, from accept to the last byte of its answer. It frees the places that
/// slow or silent clients hold.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest head of a request, bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Pause after a failed accept: out of descriptors, the next one would fail as fast.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Holds a descriptor, to be let go when there is no other: who looks whether we live shall see it
/// when clients have taken all.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Serves the pages until dropped; connections end with it.
pub async fn serve<S: Source>(listener: TcpListener, source: Arc<S>) -> Infallible {
    serve_within(listener, source, CONNECTION_TIMEOUT).await
}

async fn serve_within<S: Source>(
    listener: TcpListener,
    source: Arc<S>,
    connection_timeout: Duration,
) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let (mut kept, mut failures) = (spare(), LogThrottle::default());
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            unreachable!("nobody closes the semaphore");
        };
        let accepted = listener.accept().await;
        while let Some(ended) = connections.try_join_next() {
            kept = kept.or_else(|| ended.ok().flatten());
        }
        match accepted {
            Ok((stream, _)) => {
                let source = Arc::clone(&source);
                let is_last = kept.is_none();
                connections.spawn(async move {
                    let served = timeout(connection_timeout, serve_one(stream, source)).await;
                    if let Ok(Err(error)) = served {
                        tracing::debug!(%error, "admin connection broke");
                    }
                    drop(place);
                    // Before anybody else takes the descriptor that has just become free.
                    if is_last { spare() } else { None }
                });
            }
            Err(error) => {
                if kept.take().is_none() {
                    if let Some(left_out) = failures.next(clock::now_us()) {
                        tracing::warn!(%error, left_out, "admin page cannot accept");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves one request. Connections are not kept: a scrape every few seconds gains nothing by it, and
/// a client whose kept connection we drop sees a failed scrape.
async fn serve_one<S: Source>(stream: TcpStream, source: Arc<S>) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(respond(&request, source.as_ref()).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn respond<S: Source>(request: &Request<Incoming>, source: &S) -> Response<Full<Bytes>> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return to_response(page::answer(request.uri().path(), source).await);
    }
    let mut response = to_response(Page::text(405, "only GET and HEAD"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn to_response(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    let status = StatusCode::from_u16(page.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = HeaderValue::from_static(page.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests;
