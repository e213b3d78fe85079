//! Metrics of bounds, and of the memory that one of them bounds.

use crate::telemetry::metric::{Metric, counter, gauge};

/// `shardlane_memory_bytes`
pub(crate) const MEMORY: Metric = gauge(
    "shardlane_memory_bytes",
    &[],
    "Memory that counts for limits.memory_bytes_max: what is held for clients and lanes, and what the process takes besides.",
);

/// `shardlane_memory_waits_total`
pub(crate) const MEMORY_WAITS: Metric = counter(
    "shardlane_memory_waits_total",
    &[],
    "Times that a client with more than its share was not read because memory was near its bound.",
);

/// `shardlane_memory_refusals_total`
pub(crate) const MEMORY_REFUSALS: Metric = counter(
    "shardlane_memory_refusals_total",
    &[],
    "Compressed requests, and logins with long tokens, that were refused because memory had no room for them.",
);

/// `shardlane_limit`
pub(crate) const LIMITS: Metric = gauge(
    "shardlane_limit",
    &["setting"],
    "The bounds in force, by the name of their setting: what the other numbers are to be \
     compared with.",
);
