//! One request of the API server, or of a probe.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use rustls::ServerConfig;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::inject::review::{ReviewVerdict, review};
use crate::inject::sidecar::Sidecar;
use crate::platform::clock;
use crate::telemetry::logging;
use crate::telemetry::openmetrics::Format;
use crate::telemetry::report::RotationReport;
use crate::telemetry::webhook_page::{self, WebhookReport};
use crate::tls::rotated::Rotated;
use crate::webhook::counts::{Counts, ReviewOutcome};

/// Where reviews are sent.
pub(crate) const PATH: &str = "/inject";

/// Whose certificate it is, in metrics and the log.
pub(crate) const SIDE: &str = "webhook";

/// Longest body, bytes: the API server itself takes objects of 3 MiB.
const BODY_BYTES_MAX: usize = 4 << 20;

/// All bodies that are read at one time, KiB.
const BODIES_KIB_MAX: usize = 16 << 10;

/// Time for a body, from its head to its last byte.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers requests. All connections share one.
#[derive(Debug)]
pub(crate) struct Answers {
    defaults: Sidecar,
    bodies: Semaphore,
    counts: Counts,
    certificate: Arc<Rotated<ServerConfig>>,
}

impl Answers {
    /// Answers that give pods this sidecar unless their annotations say otherwise; the metrics show `certificate`.
    #[must_use]
    pub(crate) fn new(defaults: Sidecar, certificate: Arc<Rotated<ServerConfig>>) -> Arc<Self> {
        let (bodies, counts) = (Semaphore::new(BODIES_KIB_MAX), Counts::default());
        Arc::new(Self { defaults, bodies, counts, certificate })
    }

    /// What is counted.
    #[must_use]
    pub(crate) const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The answer to one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, PATH) => {
                let begin_us = clock::now_us();
                let (outcome, answer) = match timeout(BODY_TIMEOUT, self.review(request)).await {
                    Ok(Ok(reviewed)) => reviewed,
                    Ok(Err((status, text))) => (ReviewOutcome::Failed, text_of(status, text)),
                    Err(_) => {
                        let text = "the body did not come in time";
                        (ReviewOutcome::Failed, text_of(StatusCode::REQUEST_TIMEOUT, text))
                    }
                };
                self.counts.on_review(outcome, clock::now_us().saturating_sub(begin_us));
                answer
            }
            (&Method::GET, "/metrics") => {
                let asked = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
                self.metrics(Format::accepted(asked.unwrap_or_default()))
            }
            (&Method::GET | &Method::HEAD, "/livez" | "/readyz") => text_of(StatusCode::OK, "ok"),
            (_, PATH) => text_of(StatusCode::METHOD_NOT_ALLOWED, "only POST"),
            _ => text_of(
                StatusCode::NOT_FOUND,
                "POST /inject, GET /livez, GET /readyz, GET /metrics",
            ),
        }
    }

    async fn review(
        &self,
        request: Request<Incoming>,
    ) -> Result<(ReviewOutcome, Response<Full<Bytes>>), (StatusCode, String)> {
        let refuse = |status, text: &str| Err((status, text.to_owned()));
        // The API server says how long its body is; so the memory for it is reserved before it comes.
        let Some(len) = request.body().size_hint().exact() else {
            return refuse(StatusCode::LENGTH_REQUIRED, "the body's length is not given");
        };
        let len = usize::try_from(len).ok().filter(|len| *len <= BODY_BYTES_MAX);
        let Some(len) = len else {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
        };
        let kib = u32::try_from(len.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let Ok(_reserved) = self.bodies.acquire_many(kib).await else {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "it is being stopped");
        };
        let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?.to_bytes();
        let review = review(&body, &self.defaults)
            .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        let object = review.object;
        let outcome = match review.verdict {
            ReviewVerdict::Injected => {
                tracing::info!(object, "a pod gets its sidecar");
                ReviewOutcome::Injected
            }
            ReviewVerdict::Left(why) => {
                tracing::debug!(object, why, "a pod stays as it is");
                ReviewOutcome::Left
            }
            ReviewVerdict::Refused(why) => {
                tracing::warn!(object, why, "a pod asks for a sidecar and gets none");
                ReviewOutcome::Refused
            }
        };
        let mut answer = Response::new(Full::new(Bytes::from(review.answer.to_string())));
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        Ok((outcome, answer))
    }

    fn metrics(&self, format: Format) -> Response<Full<Bytes>> {
        let rotation = self.certificate.counts();
        let report = WebhookReport {
            reviews: self.counts.reviews(),
            durations: self.counts.durations(),
            handshakes: self.counts.handshakes(),
            rotation: RotationReport {
                side: SIDE,
                loads: rotation.loads,
                failures: rotation.failures,
                expires_s: rotation.expires_s,
            },
            log_lines_lost: logging::lines_lost(),
        };
        match webhook_page::render(&report, format) {
            Ok(page) => {
                let mut answer = Response::new(Full::new(Bytes::from(page)));
                let kind = HeaderValue::from_static(format.content_type());
                answer.headers_mut().insert(CONTENT_TYPE, kind);
                answer
            }
            Err(error) => text_of(StatusCode::INTERNAL_SERVER_ERROR, error),
        }
    }
}

fn text_of(status: StatusCode, text: impl Into<String>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text.into() + "\n")));
    *answer.status_mut() = status;
    answer
}
