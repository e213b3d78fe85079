//! Every bound of the road, with its default and its why.

/// The bounds that the engine keeps. Bytes unless the name says otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Longest frame body accepted from a client; the protocol's own limit is 256 MiB.
    pub frame_body_bytes_max: u32,
    /// Requests of one client that may wait for an answer before we stop reading it.
    pub client_in_flight_max: u32,
    /// An outbox this full stops whoever fills it.
    pub outbox_high_bytes: usize,
    /// An outbox drained to this lets them go on.
    pub outbox_low_bytes: usize,
    /// Answers that a client may leave unread before it is closed.
    pub client_backlog_bytes_max: usize,
    /// Requests in flight on one lane; the protocol's id space is 32,768.
    pub lane_streams_max: u16,
    /// Late answers older than a second that a lane may owe before it is replaced.
    pub lane_orphans_max: u32,
    /// Copies of requests in flight that one lane keeps for sending again.
    pub lane_retained_bytes_max: usize,
    /// Clients of one worker.
    pub clients_max: usize,
    /// Texts and metadata of prepared statements.
    pub catalog_bytes_max: usize,
    /// Tablets that the map holds.
    pub tablets_max: usize,
    /// Keyspaces that clients of one credential may `USE` at the same time; each has lanes of its
    /// own.
    pub keyspaces_max: usize,
    /// Credentials that have lanes at the same time, in the whole process.
    pub credentials_max: usize,
    /// A request without an answer for this long gets one from us.
    pub request_timeout_us: u64,
    /// An idle lane that hears nothing for this long is asked for a sign of life; 0 is never.
    pub heartbeat_us: u64,
    /// A lane that was asked and still hears nothing for this long is closed.
    pub heartbeat_timeout_us: u64,
    /// A lane that carried no request for this long is closed, and opened again when a request asks
    /// for its shard; 0 is never, and all lanes are opened ahead.
    pub lane_unused_us: u64,
    /// A lane over the high mark whose node takes and says nothing for this long is passed over, and
    /// nobody waits for it any more. Longer than a pause to collect garbage as a rule is; much less
    /// than drivers wait before they give a connection up.
    pub lane_stall_us: u64,
    /// How long the answer to a schema change waits for the nodes to agree.
    pub agreement_timeout_us: u64,
    /// Requests that may be sent again, of 100.
    pub retry_percent: u32,
    /// Requests that may be sent again besides, each second.
    pub retry_floor_per_s: u32,
    /// A prepared read without an answer for this long is sent to a second replica; 0 is never.
    pub speculative_delay_us: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_body_bytes_max: 16 << 20,
            client_in_flight_max: 1024,
            outbox_high_bytes: 1 << 20,
            outbox_low_bytes: 256 << 10,
            client_backlog_bytes_max: 64 << 20,
            lane_streams_max: 4096,
            lane_orphans_max: 1024,
            lane_retained_bytes_max: 16 << 20,
            clients_max: 10_000,
            catalog_bytes_max: 64 << 20,
            tablets_max: 1_000_000,
            keyspaces_max: 64,
            credentials_max: 128,
            request_timeout_us: 15_000_000,
            heartbeat_us: 30_000_000,
            heartbeat_timeout_us: 10_000_000,
            lane_unused_us: 0,
            lane_stall_us: 500_000,
            agreement_timeout_us: 10_000_000,
            retry_percent: 20,
            retry_floor_per_s: 10,
            speculative_delay_us: 0,
        }
    }
}
