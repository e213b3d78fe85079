//! Settings of [limits]: what is bounded, so that memory and waiting are.

use crate::config::setting::{Number, Reload, Setting, SettingKind};
use crate::config::table::group::Group;
use crate::engine::limits::KEYS;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// `[limits]`
pub(super) const LIMITS: Group = Group {
    table: "limits",
    about: "Bounds of memory and of work. Where a bound refuses something, the error that the \
            client gets, or the log, names the setting and its value.",
    settings: &[
        Setting {
            key: KEYS.frame_body_bytes_max,
            kind: SettingKind::Number {
                min: 1024,
                max: 256 * MIB,
                field: |settings| Number::U32(&mut settings.limits.frame_body_bytes_max),
            },
            reload: Reload::Connections,
            what: "Longest frame body that is taken from a client",
            why: "The protocol allows 256 MiB, with which one client could fill the proxy's memory. A \
                  longer request is refused with an error, and its connection goes on.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.client_in_flight_max,
            kind: SettingKind::Number {
                min: 1,
                max: 32_768,
                field: |settings| Number::U32(&mut settings.limits.client_in_flight_max),
            },
            reload: Reload::AtOnce,
            what: "Requests of one client that are in flight before the proxy stops reading from it",
            why: "Drivers use 1024 or 2048 stream ids on a connection. At the bound no request is \
                  refused: TCP holds the rest back until answers have come.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.client_answer_bytes_max,
            kind: SettingKind::Number {
                min: 64 << 10,
                max: GIB,
                field: |settings| Number::U32(&mut settings.limits.client_answer_bytes_max),
            },
            reload: Reload::AtOnce,
            what: "Bytes of answers that one client may have under way, by the length of its last ones",
            why: "A lane is shared, and a node answers in order: what one client asks for in bulk and \
                  does not read stands before the answers to others. Two requests are never too many. \
                  Beyond, no request is refused: it waits here.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.outbox_high_bytes,
            kind: SettingKind::Number {
                min: 4096,
                max: GIB,
                field: |settings| Number::Usize(&mut settings.limits.outbox_high_bytes),
            },
            reload: Reload::AtOnce,
            what: "Bytes that may wait for one socket before the proxy stops reading from the \
                   clients that send more",
            why: "A slow reader thus slows its own sender down instead of filling memory.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.outbox_low_bytes,
            kind: SettingKind::Number {
                min: 0,
                max: GIB,
                field: |settings| Number::Usize(&mut settings.limits.outbox_low_bytes),
            },
            reload: Reload::AtOnce,
            what: "Bytes that wait for one socket when the proxy begins to read again",
            why: "It must be less than `limits.outbox_high_bytes`: the distance keeps the two from \
                  alternating at every frame.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.client_backlog_bytes_max,
            kind: SettingKind::Number {
                min: MIB,
                max: GIB,
                field: |settings| Number::Usize(&mut settings.limits.client_backlog_bytes_max),
            },
            reload: Reload::AtOnce,
            what: "Answers that a client may leave unread before it is closed",
            why: "A client that stops reading still has answers on their way, of requests that it \
                  sent before, and they need room.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.lane_streams_max,
            kind: SettingKind::Number {
                min: 1,
                max: 32_767,
                field: |settings| Number::U16(&mut settings.limits.lane_streams_max),
            },
            reload: Reload::Connections,
            what: "Requests in flight on one lane, of the 32,768 that stream ids allow",
            why: "A shard with more than that in its queue is late already. At the bound another \
                  replica gets the request; if there is none, it is refused with OVERLOADED.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.lane_orphans_max,
            kind: SettingKind::Number {
                min: 1,
                max: 32_767,
                field: |settings| Number::U32(&mut settings.limits.lane_orphans_max),
            },
            reload: Reload::AtOnce,
            what: "Requests on one lane, older than a second, whose clients have left and that the \
                   node has still not answered",
            why: "Their stream ids cannot be used again. At the bound the lane is drained and \
                  replaced.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.lane_retained_bytes_max,
            kind: SettingKind::Number {
                min: 0,
                max: GIB,
                field: |settings| Number::Usize(&mut settings.limits.lane_retained_bytes_max),
            },
            reload: Reload::AtOnce,
            what: "Copies of requests in flight that one lane keeps",
            why: "They are sent again when a node has forgotten a prepared statement, or a read has \
                  lost its node. A request beyond the bound is not copied, so that its client gets \
                  the node's own UNPREPARED.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.memory_bytes_max,
            kind: SettingKind::Number {
                min: 0,
                max: 1024 * GIB,
                field: |settings| Number::Usize(&mut settings.limits.memory_bytes_max),
            },
            reload: Reload::AtOnce,
            what: "Memory that the whole process may take; 0 is three quarters of the cgroup's limit, and \
                   no bound where there is no such limit",
            why: "The rest is for what is not counted, such as TLS and the kernel's buffers. Near it, \
                  clients that hold more than their share are read in turn, and closed when nothing \
                  comes of their request, or they read nothing; nearer, new clients are refused. Give \
                  four times `limits.frame_body_bytes_max` and 32 MiB at least.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.clients_max,
            kind: SettingKind::Number {
                min: 1,
                max: 1_000_000,
                field: |settings| Number::Usize(&mut settings.limits.clients_max),
            },
            reload: Reload::AtOnce,
            what: "Clients of one worker at the same time",
            why: "The next one is closed at once, logged and counted, rather than served badly. Each \
                  needs a file descriptor.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.catalog_bytes_max,
            kind: SettingKind::Number {
                min: 64 << 10,
                max: 16 * GIB,
                field: |settings| Number::Usize(&mut settings.limits.catalog_bytes_max),
            },
            reload: Reload::AtOnce,
            what: "Memory for prepared statements, of each worker",
            why: "At the bound the statement that was least recently used is forgotten, which costs \
                  its clients one more PREPARE.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.tablets_max,
            kind: SettingKind::Number {
                min: 1,
                max: 100_000_000,
                field: |settings| Number::Usize(&mut settings.limits.tablets_max),
            },
            what: "Tablets that each worker remembers, of all tables",
            why: "One takes roughly 100 bytes. At the bound the oldest is forgotten, which costs one \
                  request an extra hop.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.keyspaces_max,
            kind: SettingKind::Number {
                min: 1,
                max: 10_000,
                field: |settings| Number::Usize(&mut settings.limits.keyspaces_max),
            },
            reload: Reload::AtOnce,
            what: "Keyspaces that clients of one credential may USE at the same time",
            why: "Each has lanes of its own. A USE of one more is refused with OVERLOADED, unless \
                  another keyspace is no longer in use.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.credentials_max,
            kind: SettingKind::Number {
                min: 1,
                max: 1_000,
                field: |settings| Number::Usize(&mut settings.limits.credentials_max),
            },
            reload: Reload::AtOnce,
            what: "Credentials of clients that may have lanes at the same time, in the whole process",
            why: "Each has a connection to every shard. A login with one more is refused, and one of a \
                  role that has as many credentials as places are free: one role leaves places to \
                  others.",
            ..Setting::PLAIN
        },
    ],
};
