//! Settings of [timeouts] and [retries]: how long is waited, and what is tried again.

use crate::config::setting::{DAY_MS, Number, Reload, Setting, SettingKind};
use crate::config::table::group::Group;
use crate::engine::limits::KEYS;

/// `[timeouts]`
pub(super) const TIMEOUTS: Group = Group {
    table: "timeouts",
    about: "",
    settings: &[
        Setting {
            key: "timeouts.connect_ms",
            kind: SettingKind::Number {
                min: 1,
                max: DAY_MS,
                field: |settings| Number::U64(&mut settings.dial.connect_timeout_ms),
            },
            reload: Reload::Connections,
            what: "Longest TCP connect to a node",
            why: "It doubles with each failure, up to eightfold: a node that is overwhelmed by \
                  handshakes never recovers if all its peers hang up early and come again.",
            ..Setting::PLAIN
        },
        Setting {
            key: "timeouts.handshake_ms",
            kind: SettingKind::Number {
                min: 1,
                max: DAY_MS,
                field: |settings| Number::U64(&mut settings.dial.handshake_timeout_ms),
            },
            reload: Reload::Connections,
            what: "Longest handshake with a node, from the new connection to READY",
            why: "Password hashing takes a node some time. It doubles with each failure, as \
                  `timeouts.connect_ms` does.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.login_timeout_us,
            kind: SettingKind::Number {
                min: 100,
                max: DAY_MS,
                field: |settings| Number::MillisAsMicros(&mut settings.limits.login_timeout_us),
            },
            reload: Reload::AtOnce,
            what: "Time in which a client has to finish STARTUP and login",
            why: "It is closed with an error then: connections that say nothing would hold places of \
                  `limits.clients_max`. Where they hold half of them, the one that has been silent for \
                  longest gives way to another client, after a tenth of a second at least. Time in \
                  which the cluster judges a login does not count.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.request_timeout_us,
            kind: SettingKind::Number {
                min: 0,
                max: DAY_MS,
                field: |settings| Number::MillisAsMicros(&mut settings.limits.request_timeout_us),
            },
            reload: Reload::AtOnce,
            what: "Longest wait for the answer to a request; 0 means no bound",
            why: "Without a bound a request waits as long as its node gives signs of life: the server \
                  decides what became of it, and the driver how long it waits. With one the client \
                  then gets an error that names this setting. Give more than the servers' own time \
                  limits, and remember those that take longer by design: `USING TIMEOUT`, TRUNCATE, \
                  a schema change on a busy cluster. A client that waits for its login has no other \
                  bound either; a `USE` waits 15 s for a connection.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.heartbeat_timeout_us,
            kind: SettingKind::Number {
                min: 1,
                max: DAY_MS,
                field: |settings| Number::MillisAsMicros(&mut settings.limits.heartbeat_timeout_us),
            },
            reload: Reload::AtOnce,
            what: "Longest wait for a sign of life on a lane, after the node was asked for one",
            why: "The lane is then replaced. Together with a tenth of `lanes.heartbeat_s` it is the \
                  longest that a request waits for a node that is gone without a word.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.lane_stall_us,
            kind: SettingKind::Number {
                min: 1,
                max: DAY_MS,
                field: |settings| Number::MillisAsMicros(&mut settings.limits.lane_stall_us),
            },
            reload: Reload::AtOnce,
            what: "Time after which a full lane, whose node neither takes nor sends a byte, is \
                   stalled",
            why: "A lane is full when `limits.outbox_high_bytes` wait for it. Clients no longer wait \
                  for a stalled lane, and requests go elsewhere until it drains; those that nothing \
                  else can take are refused with OVERLOADED. The default is longer than the nodes' \
                  pauses to collect garbage.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.agreement_timeout_us,
            kind: SettingKind::Number {
                min: 1,
                max: DAY_MS,
                field: |settings| Number::MillisAsMicros(&mut settings.limits.agreement_timeout_us),
            },
            reload: Reload::AtOnce,
            what: "Longest wait for all nodes to agree on the schema after a change",
            why: "The answer to the change is held back meanwhile. Afterwards it is sent with a warning \
                  (protocol 4), which drivers log.",
            ..Setting::PLAIN
        },
        Setting {
            key: "timeouts.file_poll_ms",
            kind: SettingKind::Number {
                min: 100,
                max: DAY_MS,
                field: |settings| Number::U64(&mut settings.file_poll_ms),
            },
            reload: Reload::Restart,
            what: "How often files that may be replaced are looked at: certificates, keys, CAs and \
                   the password",
            why: "If a new file cannot be used, the log says why, and the old one stays in use.",
            ..Setting::PLAIN
        },
        Setting {
            key: "timeouts.drain_ms",
            kind: SettingKind::Number {
                min: 0,
                max: DAY_MS,
                field: |settings| Number::U64(&mut settings.drain.drain_ms),
            },
            reload: Reload::AtOnce,
            what: "Time that requests in flight have to finish before the process ends",
            why: "Kubernetes kills a pod after 30 s by default, and stops a sidecar only after the \
                  application.",
            ..Setting::PLAIN
        },
    ],
};

/// `[retries]`
pub(super) const RETRIES: Group = Group {
    table: "retries",
    about: "Reads that lost their node, and requests that a busy node refused, are sent again within \
            this budget. Twice the load does not help a cluster in trouble: requests beyond the \
            budget get the error that an unmodified driver expects.",
    settings: &[
        Setting {
            key: "retries.ask_to_prepare",
            kind: SettingKind::Switch { field: |settings| &mut settings.asks_to_prepare },
            what: "Whether a client is asked to prepare again what was not prepared here, or has other \
                   columns now",
            why: "After a restart of shardlane clients hold ids of which nothing is known here, and \
                  their requests could go to any node only. The first EXECUTE of such an id is \
                  answered by UNPREPARED, once for each client: drivers prepare again by \
                  themselves, and send it once more. The same where the rows of a statement have \
                  other columns than the client holds, since the table changed: drivers may ignore \
                  columns that come with rows. Turn it off for a client that does not prepare \
                  again.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.retry_percent,
            kind: SettingKind::Number {
                min: 0,
                max: 100,
                field: |settings| Number::U32(&mut settings.limits.retry_percent),
            },
            reload: Reload::AtOnce,
            what: "Share of the requests that may be sent again",
            why: "It counts together with `retries.floor_per_s`, for reads that lost their node, for \
                  requests that a busy node refused, and for those that a node could not run \
                  (UNAVAILABLE), for each of the three.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.retry_floor_per_s,
            kind: SettingKind::Number {
                min: 0,
                max: 1_000_000,
                field: |settings| Number::U32(&mut settings.limits.retry_floor_per_s),
            },
            reload: Reload::AtOnce,
            what: "Requests that may be sent again besides, each second",
            why: "It serves applications that send so few requests that a share of them is less than \
                  one.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.speculative_delay_us,
            kind: SettingKind::Number {
                min: 0,
                max: 60_000,
                field: |settings| Number::MillisAsMicros(&mut settings.limits.speculative_delay_us),
            },
            reload: Reload::AtOnce,
            what: "Time after which a SELECT of one partition without an answer is sent to a second replica",
            why: "Prepared or by text. The first answer wins. 0 means never. `retries.speculative_percent` bounds it. The \
                  p99 latency of a healthy cluster is a good value: one read of a hundred is then \
                  sent twice.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.speculative_percent,
            kind: SettingKind::Number {
                min: 0,
                max: 100,
                field: |settings| Number::U32(&mut settings.limits.speculative_percent),
            },
            reload: Reload::AtOnce,
            what: "Share of the requests of which a second copy may be sent for being slow",
            why: "It counts together with `retries.floor_per_s`. Copies take nothing from the budget of \
                  reads that lost their node.",
            ..Setting::PLAIN
        },
    ],
};
