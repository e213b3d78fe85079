//! One request of the API server, or of a probe.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::inject::review::{Verdict, review};
use crate::inject::sidecar::Sidecar;

/// Where reviews are sent.
pub const PATH: &str = "/inject";

/// Longest body, bytes: the API server itself takes objects of 3 MiB.
const BODY_BYTES_MAX: usize = 4 << 20;

/// All bodies that are read at one time, KiB.
const BODIES_KIB_MAX: usize = 16 << 10;

/// Time for a body, from its head to its last byte.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers requests. All connections share one.
#[derive(Debug)]
pub struct Answers {
    defaults: Sidecar,
    bodies: Semaphore,
}

impl Answers {
    /// Answers that give pods this sidecar unless their annotations say otherwise.
    #[must_use]
    pub fn new(defaults: Sidecar) -> Arc<Self> {
        Arc::new(Self { defaults, bodies: Semaphore::new(BODIES_KIB_MAX) })
    }

    /// The answer to one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, PATH) => match timeout(BODY_TIMEOUT, self.review(request)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err((status, text))) => text_of(status, text),
                Err(_) => text_of(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
            },
            (&Method::GET | &Method::HEAD, "/livez" | "/readyz") => text_of(StatusCode::OK, "ok"),
            (_, PATH) => text_of(StatusCode::METHOD_NOT_ALLOWED, "only POST"),
            _ => text_of(StatusCode::NOT_FOUND, "POST /inject, GET /livez, GET /readyz"),
        }
    }

    async fn review(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, (StatusCode, String)> {
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
        match review.verdict {
            Verdict::Injected => tracing::info!(object, "a pod gets its sidecar"),
            Verdict::Left(why) => tracing::debug!(object, why, "a pod stays as it is"),
            Verdict::Refused(why) => {
                tracing::warn!(object, why, "a pod asks for a sidecar and gets none");
            }
        }
        let mut answer = Response::new(Full::new(Bytes::from(review.answer.to_string())));
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        Ok(answer)
    }
}

fn text_of(status: StatusCode, text: impl Into<String>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text.into() + "\n")));
    *answer.status_mut() = status;
    answer
}
