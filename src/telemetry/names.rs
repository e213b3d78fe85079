//! Every metric once: its name, what it counts, and its labels.
//!
//! One prefix, base units, `_total` for what only grows. A label's values come from our own enums, or
//! are nodes and tables of one cluster; never text that a client sent.

pub(crate) mod limits;
#[cfg(test)]
pub(crate) mod page_order;
pub(crate) mod shapes;
pub(crate) mod state;
pub(crate) mod tablets;
pub(crate) mod webhook;

use crate::telemetry::metric::{Metric, counter, gauge, histogram};

/// `shardlane_build_info`
pub(crate) const BUILD_INFO: Metric =
    gauge("shardlane_build_info", &["version"], "Always 1; the label is the version.");

/// `shardlane_requests_received_total`
pub(crate) const REQUESTS_RECEIVED: Metric = counter(
    "shardlane_requests_received_total",
    &["op"],
    "Requests that clients sent, by what they ask.",
);

/// `shardlane_requests_total`
pub(crate) const REQUESTS: Metric = counter(
    "shardlane_requests_total",
    &["op", "outcome"],
    "Requests that ended, by what they asked and how they ended: `answered` by the cluster, `failed` with an \
     ERROR of the cluster or as it would answer, `local` here, `refused` since shardlane could not do it, \
     `abandoned` by its client. Received less ended are in flight.",
);

/// `shardlane_request_duration_seconds`
pub(crate) const REQUEST_DURATION: Metric = histogram(
    "shardlane_request_duration_seconds",
    "From a request's arrival to its answer's departure.",
);

/// `shardlane_proxy_overhead_seconds`
pub(crate) const PROXY_OVERHEAD: Metric = histogram(
    "shardlane_proxy_overhead_seconds",
    "The part of a request's duration that was spent in shardlane itself.",
);

/// `shardlane_request_timeouts_total`
pub(crate) const REQUEST_TIMEOUTS: Metric = counter(
    "shardlane_request_timeouts_total",
    &[],
    "Requests given up for want of an answer; their clients got an error from us.",
);

/// `shardlane_late_answers_total`
pub(crate) const LATE_ANSWERS: Metric = counter(
    "shardlane_late_answers_total",
    &[],
    "Answers that came after their request was given up.",
);

/// `shardlane_retries_total`
pub(crate) const RETRIES: Metric = counter(
    "shardlane_retries_total",
    &[],
    "Requests sent again that had never left us, or that could be repeated without harm.",
);

/// `shardlane_retries_refused_total`
pub(crate) const RETRIES_REFUSED: Metric = counter(
    "shardlane_retries_refused_total",
    &[],
    "Requests not sent again although they could have been: the budget for that was used up.",
);

/// `shardlane_speculative_refused_total`
pub(crate) const COPIES_REFUSED: Metric = counter(
    "shardlane_speculative_refused_total",
    &[],
    "Slow reads not sent to a second replica: the budget for that was used up.",
);

/// `shardlane_routing_total`
pub(crate) const ROUTING: Metric = counter(
    "shardlane_routing_total",
    &["reason"],
    "Routing decisions by reason. tablet_replica, ring_replica, lwt_primary, text_literal, \
     text_bound, text_in and token_range went to a replica shard, as far as we know.",
);

/// `shardlane_nodes`
pub(crate) const NODES: Metric =
    gauge("shardlane_nodes", &[], "Nodes of the cluster, by its own tables.");

/// `shardlane_lanes`
pub(crate) const LANES: Metric = gauge(
    "shardlane_lanes",
    &["node", "state"],
    "Upstream connections by node and state (open, stalled, draining). A node with fewer open \
     lanes than shards is not reached in full; a stalled one takes no bytes and sends none.",
);

/// `shardlane_lanes_broken_total`
pub(crate) const LANES_BROKEN: Metric = counter(
    "shardlane_lanes_broken_total",
    &[],
    "Lanes closed because the node broke the protocol.",
);

/// `shardlane_heartbeat_timeouts_total`
pub(crate) const HEARTBEAT_TIMEOUTS: Metric = counter(
    "shardlane_heartbeat_timeouts_total",
    &[],
    "Lanes closed because the node did not answer a heartbeat, as when a firewall forgot the connection.",
);

/// `shardlane_lanes_stalled_total`
pub(crate) const LANES_STALLED: Metric = counter(
    "shardlane_lanes_stalled_total",
    &[],
    "Times that a full lane was passed over because its node took and sent nothing for \
     timeouts.lane_stall_ms.",
);

/// `shardlane_upstream_in_flight`
pub(crate) const UPSTREAM_IN_FLIGHT: Metric =
    gauge("shardlane_upstream_in_flight", &[], "Requests that wait for a node's answer.");

/// `shardlane_orphans`
pub(crate) const ORPHANS: Metric = gauge(
    "shardlane_orphans",
    &[],
    "Requests that wait for a node's answer although their clients were answered or have left.",
);

/// `shardlane_handshakes_total`
pub(crate) const HANDSHAKES: Metric = counter(
    "shardlane_handshakes_total",
    &["node", "result"],
    "Attempts to open an upstream connection, by node and result.",
);

/// `shardlane_lanes_excess_total`
pub(crate) const LANES_EXCESS: Metric = counter(
    "shardlane_lanes_excess_total",
    &["node"],
    "Connections opened at the plain port that came to a shard with a lane already, and were \
     closed again.",
);

/// `shardlane_source_ports_taken_total`
pub(crate) const SOURCE_PORTS_TAKEN: Metric = counter(
    "shardlane_source_ports_taken_total",
    &["node"],
    "Source ports that could not be bound; the next one was tried.",
);

/// `shardlane_shard_mismatch_total`
pub(crate) const SHARD_MISMATCHES: Metric = counter(
    "shardlane_shard_mismatch_total",
    &["node"],
    "Connections that came to another shard than their source port names. Something on the \
     way, such as NAT, rewrites source ports.",
);

/// `shardlane_shard_aware_port`
pub(crate) const PORT_VERDICT: Metric = gauge(
    "shardlane_shard_aware_port",
    &["node", "verdict"],
    "Always 1; the label is what is known of a node's shard-aware port.",
);

/// `shardlane_prepared_cache_entries`
pub(crate) const PREPARED_ENTRIES: Metric =
    gauge("shardlane_prepared_cache_entries", &[], "Prepared statements that are remembered.");

/// `shardlane_prepared_cache_bytes`
pub(crate) const PREPARED_BYTES: Metric = gauge(
    "shardlane_prepared_cache_bytes",
    &[],
    "Bytes used by prepared statements that are remembered.",
);

/// `shardlane_prepared_cache_hits_total`
pub(crate) const PREPARED_HITS: Metric =
    counter("shardlane_prepared_cache_hits_total", &[], "Requests whose prepared id was known.");

/// `shardlane_prepared_cache_misses_total`
pub(crate) const PREPARED_MISSES: Metric = counter(
    "shardlane_prepared_cache_misses_total",
    &[],
    "Requests whose prepared id was not known; they were forwarded all the same.",
);

/// `shardlane_prepared_asked_total`
pub(crate) const PREPARED_ASKED: Metric = counter(
    "shardlane_prepared_asked_total",
    &[],
    "Requests answered by UNPREPARED, once for each client and id, since the id was not prepared \
     here, or its rows have other columns now: the driver prepares again.",
);

/// `shardlane_prepared_cache_reprepares_total`
pub(crate) const PREPARED_REPREPARES: Metric = counter(
    "shardlane_prepared_cache_reprepares_total",
    &[],
    "Statements prepared again because a node had forgotten them. A steady stream means that \
     a node's cache is too small.",
);

/// `shardlane_prepared_cache_spread_total`
pub(crate) const PREPARED_SPREAD: Metric = counter(
    "shardlane_prepared_cache_spread_total",
    &[],
    "Statements prepared on more nodes before they were needed there.",
);

/// `shardlane_prepared_cache_not_spread_total`
pub(crate) const PREPARED_NOT_SPREAD: Metric = counter(
    "shardlane_prepared_cache_not_spread_total",
    &[],
    "Statements that other nodes prepare only once they are used, since clients prepare too many \
     at once. A steady stream means that an application writes values into its texts.",
);

/// `shardlane_client_connections`
pub(crate) const CLIENTS: Metric =
    gauge("shardlane_client_connections", &[], "Clients that are connected.");

/// `shardlane_clients_logging_in`
pub(crate) const NEWCOMERS: Metric = gauge(
    "shardlane_clients_logging_in",
    &[],
    "Connected clients that have not finished STARTUP and login.",
);

/// `shardlane_clients_opened_total`
pub(crate) const CLIENTS_OPENED: Metric =
    counter("shardlane_clients_opened_total", &[], "Clients that connected.");

/// `shardlane_clients_started_total`
pub(crate) const CLIENTS_STARTED: Metric = counter(
    "shardlane_clients_started_total",
    &["version", "compression"],
    "Connections that agreed to a protocol version and a compression: none, lz4 or snappy.",
);

/// `shardlane_clients_rejected_total`
pub(crate) const CLIENTS_REJECTED: Metric = counter(
    "shardlane_clients_rejected_total",
    &["reason"],
    "Clients that were turned away or cut off: too_many, memory (refused or closed because memory was near its bound), silent (STARTUP and login not finished in time), unread_answers, login_withdrawn, broken_protocol, or newer_version, after which drivers step down to a version that is spoken here, on another connection.",
);

/// `shardlane_client_tls_handshakes_total`
pub(crate) const CLIENT_TLS_HANDSHAKES: Metric = counter(
    "shardlane_client_tls_handshakes_total",
    &["result"],
    "TLS handshakes of clients by how they ended: done, plain_cql (the driver does not know of \
     TLS), failed, timed_out, or too_many at once.",
);

/// `shardlane_tls_reloads_total`
pub(crate) const TLS_RELOADS: Metric = counter(
    "shardlane_tls_reloads_total",
    &["side", "result"],
    "Changes of TLS files, by side (nodes, clients) and result: loaded, or failed, after which \
     the files before stay in use.",
);

/// `shardlane_tls_certificate_expiry_timestamp_seconds`
pub(crate) const TLS_EXPIRY: Metric = gauge(
    "shardlane_tls_certificate_expiry_timestamp_seconds",
    &["side"],
    "Until when the certificate that we show is valid, in seconds since 1970, by side.",
);

/// `shardlane_schema_agreement_waits_total`
pub(crate) const AGREEMENT_WAITS: Metric = counter(
    "shardlane_schema_agreement_waits_total",
    &[],
    "Schema changes whose answer waited for the nodes to agree.",
);

/// `shardlane_schema_agreement_timeouts_total`
pub(crate) const AGREEMENT_TIMEOUTS: Metric = counter(
    "shardlane_schema_agreement_timeouts_total",
    &[],
    "Schema changes answered before all nodes agreed.",
);

/// `shardlane_logins_total`
pub(crate) const LOGINS: Metric = counter(
    "shardlane_logins_total",
    &["result"],
    "Logins of clients, by what the cluster said; unknown: no node could say, or there was no room \
     for another credential.",
);

/// `shardlane_credentials`
pub(crate) const CREDENTIALS: Metric = gauge(
    "shardlane_credentials",
    &[],
    "Credentials of clients that have upstream connections of their own; each worker counts its \
     own.",
);

/// `shardlane_config_generation`
pub(crate) const CONFIG_GENERATION: Metric = gauge(
    "shardlane_config_generation",
    &[],
    "How often settings came into force: 1 since the start, one more with each reload.",
);

/// `shardlane_config_reload_failures_total`
pub(crate) const CONFIG_RELOAD_FAILURES: Metric = counter(
    "shardlane_config_reload_failures_total",
    &[],
    "Reloads of the settings that failed; the settings before stayed in force.",
);

/// `shardlane_config_last_reload_successful`
pub(crate) const CONFIG_LAST_RELOAD_SUCCESSFUL: Metric = gauge(
    "shardlane_config_last_reload_successful",
    &[],
    "1 when the last reload of the settings succeeded, or there was none; else 0.",
);

/// `shardlane_config_last_reload_success_timestamp_seconds`
pub(crate) const CONFIG_LAST_RELOAD_SUCCESS: Metric = gauge(
    "shardlane_config_last_reload_success_timestamp_seconds",
    &[],
    "When settings came into force last, seconds since 1970.",
);

/// `shardlane_log_lines_lost_total`
pub(crate) const LOG_LINES_LOST: Metric = counter(
    "shardlane_log_lines_lost_total",
    &[],
    "Log lines that were not written: the reader of stderr did not keep up.",
);

#[cfg(test)]
mod tests;
