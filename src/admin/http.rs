//! The pages over HTTP/1.1: few connections, each short, none for ever.

use std::convert::Infallible;
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

/// Connections at one time: a scraper, a kubelet and some curious people. More wait in the backlog.
const CONNECTIONS_MAX: usize = 32;

/// Time for one connection, from accept to the last byte of its answer. It frees the places that
/// slow or silent clients hold.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest head of a request, bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Pause after a failed accept: out of descriptors, the next one would fail as fast.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            unreachable!("nobody closes the semaphore");
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let source = Arc::clone(&source);
                connections.spawn(async move {
                    let served = timeout(connection_timeout, serve_one(stream, source)).await;
                    if let Ok(Err(error)) = served {
                        tracing::debug!(%error, "admin connection broke");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin page cannot accept");
                sleep(ACCEPT_PAUSE).await;
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
