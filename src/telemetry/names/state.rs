//! The metrics of what is kept over a restart, by the rules of [`crate::telemetry::names`].

use crate::telemetry::metric::{Metric, counter, gauge};

/// `shardlane_state_restored`
pub(crate) const STATE_RESTORED: Metric = gauge(
    "shardlane_state_restored",
    &["what"],
    "Tablets and statements that the process began with, of all workers.",
);

/// `shardlane_state_restored_age_seconds`
pub(crate) const STATE_RESTORED_AGE: Metric = gauge(
    "shardlane_state_restored_age_seconds",
    &[],
    "How old they were then; 0 when the process began with none.",
);

/// `shardlane_state_writes_total`
pub(crate) const STATE_WRITES: Metric =
    counter("shardlane_state_writes_total", &[], "How often the file of state.file was written.");

/// `shardlane_state_write_failures_total`
pub(crate) const STATE_WRITE_FAILURES: Metric =
    counter("shardlane_state_write_failures_total", &[], "How often it could not be written.");

/// `shardlane_state_read_failures_total`
pub(crate) const STATE_READ_FAILURES: Metric = counter(
    "shardlane_state_read_failures_total",
    &[],
    "How often it was there and not used: damaged, too long, of another cluster or another version.",
);

/// `shardlane_state_written_timestamp_seconds`
pub(crate) const STATE_WRITTEN: Metric = gauge(
    "shardlane_state_written_timestamp_seconds",
    &[],
    "When it was written last; 0 is never.",
);

/// `shardlane_state_bytes`
pub(crate) const STATE_BYTES: Metric = gauge(
    "shardlane_state_bytes",
    &[],
    "Length of what was written last, at most state.bytes_max.",
);
