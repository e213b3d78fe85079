//! The metrics of tablets: how they became known, and what nodes say of it; by the rules of
//! [`crate::telemetry::names`].

use crate::telemetry::metric::{Metric, counter, gauge};

/// `shardlane_tablet_feedback_total`
pub(crate) const TABLET_FEEDBACK: Metric = counter(
    "shardlane_tablet_feedback_total",
    &["table"],
    "Answers in which the server reported that a request came to the wrong shard, and the right \
     one. The honest measure of routing; tables beyond the first 100 are `other`.",
);

/// `shardlane_tablet_hits_total`
pub(crate) const TABLET_HITS: Metric = counter(
    "shardlane_tablet_hits_total",
    &["table"],
    "Answers in which the server would have reported a wrong shard, and did not.",
);

/// `shardlane_text_tablet_feedback_total`
pub(crate) const TEXT_TABLET_FEEDBACK: Metric = counter(
    "shardlane_text_tablet_feedback_total",
    &["table"],
    "The same as shardlane_tablet_feedback_total for statements by text whose key was bound. Of \
     constants the server says nothing: of those, only the ones that were sampled are counted.",
);

/// `shardlane_text_tablet_hits_total`
pub(crate) const TEXT_TABLET_HITS: Metric = counter(
    "shardlane_text_tablet_hits_total",
    &["table"],
    "The same as shardlane_tablet_hits_total for statements by text whose key was bound, and for \
     constants that were sampled.",
);

/// `shardlane_tablet_map_entries`
pub(crate) const TABLET_ENTRIES: Metric = gauge(
    "shardlane_tablet_map_entries",
    &[],
    "Tablets whose replicas are known; each worker learns its own.",
);

/// `shardlane_tablet_stale_total`
pub(crate) const TABLET_STALE: Metric = counter(
    "shardlane_tablet_stale_total",
    &[],
    "Tablet reports ignored because a newer one had just replaced them.",
);

/// `shardlane_tablet_reads_total`
pub(crate) const TABLET_READS: Metric = counter(
    "shardlane_tablet_reads_total",
    &["result"],
    "Tables whose tablets were asked for at once: `complete`, `refused` (the role lacks SELECT on \
     system.tablets) or `failed`.",
);

/// `shardlane_tablets_read_total`
pub(crate) const TABLETS_READ: Metric = counter(
    "shardlane_tablets_read_total",
    &[],
    "Tablets that were read from system.tablets, instead of being learned by a misrouted request.",
);

/// `shardlane_tablets_outdated_total`
pub(crate) const TABLETS_OUTDATED: Metric = counter(
    "shardlane_tablets_outdated_total",
    &[],
    "Tablets that were read and not used, since a server reported something newer meanwhile.",
);

/// `shardlane_tablet_samples_total`
pub(crate) const TABLET_SAMPLES: Metric = counter(
    "shardlane_tablet_samples_total",
    &[],
    "Keys of statements by text that were read once more, so that a node reports their tablet if it \
     is not known or has moved.",
);
