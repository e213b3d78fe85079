//! Metrics of texts that are run as prepared statements.

use crate::telemetry::metric::{Metric, counter, gauge};

/// `shardlane_text_shapes`
pub(crate) const SHAPES: Metric = gauge(
    "shardlane_text_shapes",
    &[],
    "Shapes of texts that nodes have prepared, or refused; see text.mode.",
);

/// `shardlane_text_shapes_bytes`
pub(crate) const SHAPES_BYTES: Metric =
    gauge("shardlane_text_shapes_bytes", &[], "Bytes that they take in all workers.");

/// `shardlane_texts_executed_total`
pub(crate) const EXECUTED: Metric = counter(
    "shardlane_texts_executed_total",
    &[],
    "Statements by text that went to their node as prepared ones.",
);

/// `shardlane_text_shapes_prepared_total`
pub(crate) const PREPARED: Metric = counter(
    "shardlane_text_shapes_prepared_total",
    &[],
    "Shapes that all nodes have prepared, again those that one had forgotten among them.",
);

/// `shardlane_text_shapes_given_up_total`
pub(crate) const GIVEN_UP: Metric = counter(
    "shardlane_text_shapes_given_up_total",
    &[],
    "Times that a shape was given up: until its table changes where a node will never prepare it, and \
     else for 1 s, then for ever longer, up to 300 s.",
);

/// `shardlane_text_shapes_forgotten_total`
pub(crate) const FORGOTTEN: Metric = counter(
    "shardlane_text_shapes_forgotten_total",
    &[],
    "Texts that were sent after all because their node had forgotten the prepared statement.",
);
