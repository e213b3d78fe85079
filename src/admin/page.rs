//! What each address answers: paths in, status and text out.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::admin::readiness::Readiness;
use crate::telemetry::openmetrics::Format;

const TEXT_TYPE: &str = "text/plain; charset=utf-8";
const JSON_TYPE: &str = "application/json";

/// How long the workers may take to hand in their numbers.
const METRICS_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the reading of the settings may take: a file system may be slow.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(5);

const INDEX: &str = "shardlane

/                               in a browser: a live page
/events                         what it is drawn from, as server-sent events
/metrics                        numbers for Prometheus, as text or OpenMetrics
/startup                        200 once it listens to clients
/live   /livez   /liveness      200 while this page can be served
/ready  /readyz  /readiness     200 while clients should come; else 503 and the reasons
/log-level                      what is logged

From the loopback only:
POST /quitquitquit  /shutdown   stops the process as SIGTERM does, without its delays
POST /reload                    reads the settings again, as SIGHUP does
PUT  /log-level                 logs by the level in the body, such as debug, until the next reload or restart
";

/// Where the pages' contents come from.
pub(crate) trait PageSource: Send + Sync + 'static {
    /// The metrics page.
    fn metrics(&self, format: Format) -> impl Future<Output = Result<String, String>> + Send;

    /// What the live page is drawn from: one line of JSON.
    fn live(&self) -> impl Future<Output = Result<String, String>> + Send;

    /// Whether the live page is shown to a browser that asks from the loopback, or from elsewhere.
    fn shows_page(&self, is_local: bool) -> bool;

    /// Whether clients should come.
    fn readiness(&self) -> Readiness;

    /// Stops the process, as SIGTERM does, without its delays.
    fn quit(&self);

    /// Has the settings read again, as SIGHUP does: what changed, or what is wrong.
    fn reload(&self) -> impl Future<Output = Result<String, String>> + Send;

    /// What is logged.
    fn log_level(&self) -> String;

    /// Logs by this level from now on; the error says what is wrong with it.
    fn set_log_level(&self, level: &str) -> Result<(), String>;
}

/// An answer, before it is HTTP.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Page {
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
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self { status, content_type: TEXT_TYPE, body: format!("{}\n", body.trim_end()) }
    }

    fn readiness(is_good: bool, readiness: &Readiness) -> Self {
        let status = if is_good { 200 } else { 503 };
        let json = serde_json::to_string(readiness).unwrap_or_default();
        Self { status, content_type: JSON_TYPE, body: format!("{json}\n") }
    }
}

/// Something that a request asks the process to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AdminCommand {
    /// To stop.
    Quit,
    /// To read the settings again.
    Reload,
    /// To log by another level, which is the request's body.
    LogLevel,
}

impl AdminCommand {
    /// What a request with another method than GET asks for; `None` where its path takes none of that method.
    #[must_use]
    pub(crate) fn of(method: &str, path: &str) -> Option<Self> {
        match (method, path) {
            ("POST", "/quitquitquit" | "/shutdown") => Some(Self::Quit),
            ("POST", "/reload") => Some(Self::Reload),
            ("PUT", "/log-level") => Some(Self::LogLevel),
            _ => None,
        }
    }

    /// The methods that a path takes, as the header Allow has them; `None` where it takes no command.
    #[must_use]
    pub(crate) fn allowed(path: &str) -> Option<&'static str> {
        match path {
            "/quitquitquit" | "/shutdown" | "/reload" => Some("POST"),
            "/log-level" => Some("GET, HEAD, PUT"),
            _ => None,
        }
    }
}

/// Does what a request asks for; `body` is what it brings. Only the machine itself, or the pod, may
/// ask: `is_local` says whether it came from the loopback.
pub(crate) async fn act<S: PageSource>(
    command: AdminCommand,
    is_local: bool,
    body: &str,
    source: &S,
) -> Page {
    if !is_local {
        return Page::text(403, "only from the loopback: ask from within the pod or the machine");
    }
    match command {
        AdminCommand::Quit => {
            source.quit();
            Page::text(200, "stopping")
        }
        AdminCommand::Reload => match timeout(RELOAD_TIMEOUT, source.reload()).await {
            Ok(Ok(changed)) => Page::text(200, &changed),
            Ok(Err(reason)) => Page::text(422, &reason),
            Err(_) => Page::text(503, "the settings were not read in time"),
        },
        AdminCommand::LogLevel => match source.set_log_level(body.trim()) {
            Ok(()) => Page::text(200, body.trim()),
            Err(reason) => {
                let right =
                    "give off, error, warn, info, debug or trace, and module=level after it";
                Page::text(422, &format!("{reason}; {right}"))
            }
        },
    }
}

/// Answers a GET of `path`; `format` is that of metrics.
pub(crate) async fn answer<S: PageSource>(path: &str, format: Format, source: &S) -> Page {
    match path {
        "/" => Page::text(200, INDEX),
        "/metrics" => match timeout(METRICS_TIMEOUT, source.metrics(format)).await {
            Ok(Ok(body)) => Page { status: 200, content_type: format.content_type(), body },
            Ok(Err(reason)) => Page::text(500, &format!("cannot render the metrics: {reason}")),
            Err(_) => Page::text(503, "a worker did not hand in its numbers in time"),
        },
        // Alive is not connected: a restart mends no cluster.
        "/live" | "/livez" | "/liveness" => Page::text(200, "alive"),
        "/log-level" => Page::text(200, &source.log_level()),
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
