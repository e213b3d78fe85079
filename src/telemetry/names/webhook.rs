//! Metrics of the admission webhook, which is a process of its own, and their order on its page.

use crate::telemetry::metric::{Metric, counter, histogram};
#[cfg(test)]
use crate::telemetry::names;

/// `shardlane_webhook_reviews_total`
pub(crate) const REVIEWS: Metric = counter(
    "shardlane_webhook_reviews_total",
    &["outcome"],
    "Questions of API servers about a new object, by what became of it: `injected`, `left` as it should be, `refused` (it \
     asks for a sidecar and cannot get one) or `failed` (no answer, as what was sent is no AdmissionReview, is too long, or \
     did not come in time).",
);

/// `shardlane_webhook_review_duration_seconds`
pub(crate) const REVIEW_DURATION: Metric = histogram(
    "shardlane_webhook_review_duration_seconds",
    "From the head of a question to its answer.",
);

/// `shardlane_webhook_tls_handshakes_total`
pub(crate) const HANDSHAKES: Metric = counter(
    "shardlane_webhook_tls_handshakes_total",
    &["result"],
    "Connections to the webhook, by how their TLS handshake ended: `done`, `failed` (the API server does not trust the \
     certificate, or it is no TLS), `timed_out`, or `turned_away` (there are too many).",
);

/// Every metric of the webhook, in the order of its page. Those of TLS and of the log are the same as a proxy's.
#[cfg(test)]
pub(crate) const OF_WEBHOOK: &[Metric] = &[
    names::BUILD_INFO,
    REVIEWS,
    REVIEW_DURATION,
    HANDSHAKES,
    names::TLS_RELOADS,
    names::TLS_EXPIRY,
    names::LOG_LINES_LOST,
];
