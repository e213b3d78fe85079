//! What each address answers: paths in, status and text out.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::admin::readiness::Readiness;

/// What scrapers expect, to the letter: some refuse a charset, or a version they don't know.
pub const METRICS_TYPE: &str = "text/plain; version=0.0.4";

const TEXT_TYPE: &str = "text/plain; charset=utf-8";
const JSON_TYPE: &str = "application/json";

/// How long the workers may take to hand in their numbers.
const METRICS_TIMEOUT: Duration = Duration::from_secs(5);

const INDEX: &str = "shardlane

/                               in a browser: a live page
/events                         what it is drawn from, as server-sent events
/metrics                        numbers for Prometheus
/startup                        200 once it listens to clients
/live   /livez   /liveness      200 while this page can be served
/ready  /readyz  /readiness     200 while clients should come; else 503 and the reasons

POST /quitquitquit  /shutdown   stops the process as SIGTERM does, without its delays (from the loopback only)
";

/// Where the pages' contents come from.
pub trait Source: Send + Sync + 'static {
    /// The metrics page.
    fn metrics(&self) -> impl Future<Output = Result<String, String>> + Send;

    /// What the live page is drawn from: one line of JSON.
    fn live(&self) -> impl Future<Output = Result<String, String>> + Send;

    /// Whether the live page is shown to a browser that asks from the loopback, or from elsewhere.
    fn shows_page(&self, is_local: bool) -> bool;

    /// Whether clients should come.
    fn readiness(&self) -> Readiness;

    /// Stops the process, as SIGTERM does, without its delays.
    fn quit(&self);
}

/// An answer, before it is HTTP.
#[derive(Debug, Eq, PartialEq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}

impl Page {
    /// A plain sentence.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, content_type: TEXT_TYPE, body: format!("{}\n", body.trim_end()) }
    }

    fn readiness(is_good: bool, readiness: &Readiness) -> Self {
        let status = if is_good { 200 } else { 503 };
        let json = serde_json::to_string(readiness).unwrap_or_default();
        Self { status, content_type: JSON_TYPE, body: format!("{json}\n") }
    }
}

/// Answers a POST of `path`; `is_local` says whether it came from the loopback. `None` where the path takes no POST.
pub fn answer_post<S: Source>(path: &str, is_local: bool, source: &S) -> Option<Page> {
    match path {
        "/quitquitquit" | "/shutdown" if is_local => {
            source.quit();
            Some(Page::text(200, "stopping"))
        }
        "/quitquitquit" | "/shutdown" => {
            Some(Page::text(403, "only from the loopback: ask from within the pod or the machine"))
        }
        _ => None,
    }
}

/// Answers a GET of `path`.
pub async fn answer<S: Source>(path: &str, source: &S) -> Page {
    match path {
        "/" => Page::text(200, INDEX),
        "/metrics" => match timeout(METRICS_TIMEOUT, source.metrics()).await {
            Ok(Ok(body)) => Page { status: 200, content_type: METRICS_TYPE, body },
            Ok(Err(reason)) => Page::text(500, &format!("cannot render the metrics: {reason}")),
            Err(_) => Page::text(503, "a worker did not hand in its numbers in time"),
        },
        // Alive is not connected: a restart mends no cluster.
        "/live" | "/livez" | "/liveness" => Page::text(200, "alive"),
        "/startup" => {
            let readiness = source.readiness();
            Page::readiness(readiness.is_started(), &readiness)
        }
        "/ready" | "/readyz" | "/readiness" => {
            let readiness = source.readiness();
            Page::readiness(readiness.is_ready(), &readiness)
        }
        _ => Page::text(404, "no such page; / lists them"),
    }
}
