//! The pages over HTTP/1.1: few connections, each short, none for ever.

use std::convert::Infallible;
use std::fs::File;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap,
    HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::admin::live::{self, Messages, StreamPlaces};
use crate::admin::page::{self, AdminCommand, Page, PageSource};
use crate::admin::places::ConnectionPlaces;
use crate::collections::log_throttle::LogThrottle;
use crate::platform::clock;
use crate::telemetry::openmetrics::Format;

/// Connections at one time: a scraper, a kubelet and a few people. One more displaces one that has not asked for anything.
const CONNECTIONS_MAX: usize = 128;

/// Time for a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for one connection, from accept to the last byte of its answer. It frees the places of slow clients.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest head of a request, bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Longest body of a request, bytes: a level of the log.
const BODY_BYTES_MAX: usize = 4 << 10;

/// The methods that pages take.
const PAGES_ALLOW: &str = "GET, HEAD";

/// Pause after a failed accept: without a free descriptor, the next one would fail as fast.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens a descriptor that is closed when there is no other, so that a probe can be answered when clients have taken all.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Serves the pages until dropped; connections end with it.
pub(crate) async fn serve<S: PageSource>(listener: TcpListener, source: Arc<S>) -> Infallible {
    serve_within(listener, source, CONNECTION_TIMEOUT).await
}

async fn serve_within<S: PageSource>(
    listener: TcpListener,
    source: Arc<S>,
    connection_timeout: Duration,
) -> Infallible {
    let listeners = StreamPlaces::default();
    let mut places = ConnectionPlaces::<AbortHandle>::new(CONNECTIONS_MAX);
    let mut connections = JoinSet::new();
    let (mut kept, mut failures) = (spare(), LogThrottle::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = connections.join_next() => {
                if let Ok((id, spare)) = ended {
                    places.remove(id);
                    kept = kept.or(spare);
                }
                continue;
            }
        };
        match accepted {
            Ok((stream, from)) => {
                let (source, listeners) = (Arc::clone(&source), listeners.clone());
                let is_last = kept.is_none();
                let displaced = places.add(from.ip(), |id, is_asking| {
                    connections.spawn(async move {
                        let serving = serve_one(stream, from.ip(), source, listeners, is_asking);
                        if let Ok(Err(error)) = timeout(connection_timeout, serving).await {
                            tracing::debug!(%error, "admin connection broke");
                        }
                        // Taken here, before the descriptor that has just been closed is taken by a client.
                        (id, if is_last { spare() } else { None })
                    })
                });
                if let Some(displaced) = displaced {
                    displaced.abort();
                }
            }
            Err(error) => {
                // This frees a descriptor for the next accept.
                if kept.take().is_some() {
                    continue;
                }
                if let Some(suppressed) = failures.next(clock::now_us()) {
                    tracing::warn!(%error, suppressed, "the admin listener cannot accept a connection");
                }
                // In this time a connection that asks for something is answered. One that does not gives way.
                sleep(ACCEPT_PAUSE).await;
                while let Some(ended) = connections.try_join_next() {
                    if let Ok((id, spare)) = ended {
                        places.remove(id);
                        kept = kept.or(spare);
                    }
                }
                if kept.is_none()
                    && let Some(idle) = places.take_idle()
                {
                    idle.abort();
                }
            }
        }
    }
}

/// Serves one request. Connections are not kept open: a scrape every few seconds gains nothing by it, and a client whose
/// kept connection is dropped sees a failed scrape.
async fn serve_one<S: PageSource>(
    stream: TcpStream,
    from: IpAddr,
    source: Arc<S>,
    listeners: StreamPlaces,
    is_asking: Arc<AtomicBool>,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        is_asking.store(true, Ordering::Relaxed);
        let (source, listeners) = (Arc::clone(&source), listeners.clone());
        async move { Ok::<_, Infallible>(respond(request, from, source, listeners).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Whether a request was sent to an address or to `localhost`. A browser on this machine also asks in the name
/// of a site whose name leads here (DNS rebinding), which could then read the answers.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// A whole page, or a stream of messages.
type Answer = Either<Full<Bytes>, Messages>;

async fn respond<S: PageSource>(
    request: Request<Incoming>,
    from: IpAddr,
    source: Arc<S>,
    listeners: StreamPlaces,
) -> Response<Answer> {
    let path = request.uri().path();
    let is_local = from.to_canonical().is_loopback() && names_this_machine(request.headers());
    if let Some(command) = AdminCommand::of(request.method().as_str(), path) {
        // A browser on this machine sends a command in the name of whatever site it shows.
        if request.headers().contains_key(ORIGIN) {
            return to_response(Page::text(
                403,
                "no site may send commands: use curl or shardlane",
            ));
        }
        let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
        let Ok(body) = body else { return to_response(Page::text(413, "the body is too long")) };
        let body = body.to_bytes();
        let body = String::from_utf8_lossy(&body);
        return to_response(page::act(command, is_local, &body, source.as_ref()).await);
    }
    let allowed = AdminCommand::allowed(path).unwrap_or(PAGES_ALLOW);
    if matches!(*request.method(), Method::GET | Method::HEAD) && allowed.starts_with(PAGES_ALLOW) {
        let is_of_page = path != "/" || wants_html(request.headers());
        if let Some(file) = live::file(path).filter(|_| is_of_page) {
            let is_shown = source.shows_page(is_local);
            return if is_shown { guarded(to_response(file)) } else { to_response(hidden()) };
        }
        if path == "/events" {
            return if source.shows_page(is_local) {
                stream(request.method(), &listeners, source)
            } else {
                to_response(hidden())
            };
        }
        return to_response(page::answer(path, format(request.headers()), source.as_ref()).await);
    }
    let mut response = to_response(Page::text(405, &format!("only {allowed}")));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Whether it is a browser that asks; others get the list of pages.
fn wants_html(headers: &HeaderMap) -> bool {
    accepted(headers).contains("text/html")
}

/// The format in which metrics are asked for.
fn format(headers: &HeaderMap) -> Format {
    Format::accepted(accepted(headers))
}

fn accepted(headers: &HeaderMap) -> &str {
    headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn hidden() -> Page {
    let text = "the live page is shown to the loopback only (kubectl port-forward, ssh -L): console.page says to whom";
    Page::text(403, text)
}

/// Starts a stream of messages.
fn stream<S: PageSource>(
    method: &Method,
    listeners: &StreamPlaces,
    source: Arc<S>,
) -> Response<Answer> {
    let response = if *method == Method::HEAD {
        Response::new(Either::Left(Full::default()))
    } else if let Some(messages) = listeners.start(source) {
        Response::new(Either::Right(messages))
    } else {
        return to_response(Page::text(503, "the page is open too often"));
    };
    let mut response = guarded(response);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// Adds what keeps a page from loading, or being loaded by, anything else.
fn guarded(mut response: Response<Answer>) -> Response<Answer> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(live::POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn to_response(page: Page) -> Response<Answer> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(page.body))));
    let status = StatusCode::from_u16(page.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = HeaderValue::from_static(page.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests;
