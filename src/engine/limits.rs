//! Every bound of the road: its default, its reason, and the key of the setting that changes it.

/// Writes [`Limits`], its defaults, and the keys of its settings from one line for each bound.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $key:literal => $field:ident: $kind:ty = $default:expr;)+) => {
        /// The bounds that the engine keeps. Bytes unless the name says otherwise.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $field: $kind,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Limits {
            /// Each bound with the key of its setting, in the field's own unit.
            pub fn by_key(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($key, u64::try_from(self.$field).unwrap_or(u64::MAX)),)+].into_iter()
            }
        }

        /// The key of each bound's setting, for errors and logs that have to name it.
        #[derive(Clone, Copy, Debug)]
        pub struct LimitKeys {
            $(
                #[doc = concat!("Key of [`Limits::", stringify!($field), "`].")]
                pub $field: &'static str,
            )+
        }

        /// The key of each bound's setting: `KEYS.clients_max` is `limits.clients_max`.
        pub const KEYS: LimitKeys = LimitKeys { $($field: $key,)+ };
    };
}

limits! {
    /// Longest frame body accepted from a client; the protocol's own limit is 256 MiB.
    "limits.frame_body_bytes_max" => frame_body_bytes_max: u32 = 16 << 20;
    /// Requests of one client that may wait for an answer before we stop reading it.
    "limits.client_in_flight_max" => client_in_flight_max: u32 = 1024;
    /// Answers that one client may have under way, by the length of its last ones.
    "limits.client_answer_bytes_max" => client_answer_bytes_max: u32 = 1 << 20;
    /// An outbox this full stops the reading of the clients that fill it.
    "limits.outbox_high_bytes" => outbox_high_bytes: usize = 1 << 20;
    /// An outbox drained to this lets them go on.
    "limits.outbox_low_bytes" => outbox_low_bytes: usize = 256 << 10;
    /// Answers that a client may leave unread before it is closed.
    "limits.client_backlog_bytes_max" => client_backlog_bytes_max: usize = 64 << 20;
    /// Requests in flight on one lane; the protocol's id space is 32,768.
    "limits.lane_streams_max" => lane_streams_max: u16 = 4096;
    /// Late answers older than a second that a lane may owe before it is replaced.
    "limits.lane_orphans_max" => lane_orphans_max: u32 = 1024;
    /// Copies of requests in flight that one lane keeps for sending again.
    "limits.lane_retained_bytes_max" => lane_retained_bytes_max: usize = 16 << 20;
    /// What the whole process may take; 0 is no bound. Where it is not set, it is three quarters of the
    /// cgroup's limit.
    "limits.memory_bytes_max" => memory_bytes_max: usize = 0;
    /// Clients of one worker.
    "limits.clients_max" => clients_max: usize = 10_000;
    /// A client that does not finish STARTUP and login within this is closed; time in which the
    /// cluster judges a login does not count.
    "timeouts.login_ms" => login_timeout_us: u64 = 30_000_000;
    /// Texts and metadata of prepared statements.
    "limits.catalog_bytes_max" => catalog_bytes_max: usize = 64 << 20;
    /// Tablets that the map holds.
    "limits.tablets_max" => tablets_max: usize = 1_000_000;
    /// Keyspaces that clients of one credential may `USE` at the same time; each has lanes of its
    /// own.
    "limits.keyspaces_max" => keyspaces_max: usize = 64;
    /// Credentials that have lanes at the same time, in the whole process.
    "limits.credentials_max" => credentials_max: usize = 128;
    /// A request without an answer for this long gets one from us; 0 is never: a node that gives
    /// signs of life decides itself how long it takes.
    "timeouts.request_ms" => request_timeout_us: u64 = 0;
    /// An idle lane that hears nothing for this long is asked for a sign of life; 0 is never. One
    /// with requests in flight is asked much sooner, and always.
    "lanes.heartbeat_s" => heartbeat_us: u64 = 30_000_000;
    /// A lane that was asked and still hears nothing for this long is closed.
    "timeouts.heartbeat_ms" => heartbeat_timeout_us: u64 = 10_000_000;
    /// A lane that carried no request for this long is closed, and opened again when a request asks
    /// for its shard; 0 is never, and all lanes are opened ahead.
    "lanes.idle_close_s" => lane_unused_us: u64 = 0;
    /// The same for the lanes of a keyspace, which are one to each node at first; 0 opens no more.
    "lanes.keyspace_idle_close_s" => keyspace_lane_unused_us: u64 = 60_000_000;
    /// A lane over the high mark whose node takes and sends nothing for this long is passed over,
    /// and clients no longer wait for it. Longer than most pauses to collect garbage; much less
    /// than drivers wait before they give a connection up.
    "timeouts.lane_stall_ms" => lane_stall_us: u64 = 500_000;
    /// How long the answer to a schema change waits for the nodes to agree; drivers wait as long.
    "timeouts.schema_agreement_ms" => agreement_timeout_us: u64 = 60_000_000;
    /// Requests that may be sent again, of 100.
    "retries.percent" => retry_percent: u32 = 20;
    /// Requests that may be sent again besides, each second.
    "retries.floor_per_s" => retry_floor_per_s: u32 = 10;
    /// Slow reads that may be sent to a second replica, of 100 requests.
    "retries.speculative_percent" => speculative_percent: u32 = 10;
    /// A prepared read without an answer for this long is sent to a second replica; 0 is never.
    "retries.speculative_ms" => speculative_delay_us: u64 = 0;
}

impl Limits {
    /// The longest wait of a client's request, µs; `None` while it has no bound.
    #[must_use]
    pub fn request_us_max(&self) -> Option<u64> {
        (self.request_timeout_us > 0).then_some(self.request_timeout_us)
    }
}

/// What the rest of the process takes of `memory_bytes_max`, bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OtherMemory {
    /// The process without any client.
    pub base: usize,
    /// What other workers hold for their clients and lanes.
    pub workers: usize,
    /// How many workers there are besides.
    pub others: usize,
}
