//! Settings of [lanes], [failover] and [compression]: which connections to nodes there are.

use cql::compression::Compression;

use crate::config::setting::{
    DAY_MS, DAY_S, Flag, Form, Number, Reload, Setting, SettingKind, joined, keep, keep_each,
};
use crate::config::table::group::Group;
use crate::engine::limits::KEYS;
use crate::pool::refill::lane_slots::WantedLanes;

/// `[lanes]`
pub(super) const LANES: Group = Group {
    table: "lanes",
    about: "Lanes are the connections to the nodes.",
    settings: &[
        Setting {
            key: "lanes.per",
            kind: SettingKind::Text {
                form: Form::Words(&["shard", "node"]),
                takes: "shard or node",
                read: |text, settings| {
                    let lanes = match text {
                        "shard" => Ok(WantedLanes::EachShard),
                        "node" => Ok(WantedLanes::One),
                        _ => Err("neither shard nor node".to_owned()),
                    };
                    keep(lanes, &mut settings.dial.lanes)
                },
                show: |settings| match settings.dial.lanes {
                    WantedLanes::EachShard | WantedLanes::ShardsInUse => "shard".to_owned(),
                    WantedLanes::One => "node".to_owned(),
                },
            },
            what: "Whether there is a lane to each shard of a node, or one to the node",
            why: "A lane to each shard is what this proxy is for. Where thousands of proxies would \
                  open too many connections, \"node\" opens one to each node: requests then reach a \
                  replica, whose shards hand most of them on. See docs/scale.md.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.lane_unused_us,
            kind: SettingKind::Number {
                min: 0,
                max: DAY_S,
                field: |settings| Number::SecondsAsMicros(&mut settings.limits.lane_unused_us),
            },
            what: "Time without requests after which a lane is closed; 0 keeps all lanes open",
            why: "With 0 all lanes are opened ahead. Above 0, and with `lanes.per` = \"shard\", there \
                  is one lane to each node at first; one to a single shard is opened when two \
                  requests within this time ask for it. No request waits for that: it goes to \
                  another shard of the node meanwhile.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.keyspace_lane_unused_us,
            kind: SettingKind::Number {
                min: 0,
                max: DAY_S,
                field: |settings| {
                    Number::SecondsAsMicros(&mut settings.limits.keyspace_lane_unused_us)
                },
            },
            what: "The same for lanes in a keyspace, of which there is one to each node at first",
            why: "Statements by text of a client that said `USE`, and that do not name the keyspace \
                  themselves, need lanes in it. Two requests for a shard within this time open \
                  its lane. With 0 there is one to each node and no more.",
            ..Setting::PLAIN
        },
        Setting {
            key: "lanes.nodes_max",
            kind: SettingKind::Number {
                min: 0,
                max: 10_000,
                field: |settings| Number::Usize(&mut settings.failover.local_nodes_max),
            },
            what: "Nodes of the local data center that have lanes, those of `rack` first; 0 means all",
            why: "For large clusters with many proxies. Rows of other nodes are read by way of the \
                  chosen ones. If none of these can be reached for `failover.after_ms`, all nodes \
                  are used until one is back.",
            ..Setting::PLAIN
        },
        Setting {
            key: "lanes.shard_aware_port",
            kind: SettingKind::Switch { field: |settings| &mut settings.dial.shard_aware },
            reload: Reload::Restart,
            what: "Whether the shard of a new connection is chosen by its source port",
            why: "That works at the nodes' shard-aware port. If false, connections are opened until \
                  each shard has one; turn it off where NAT rewrites source ports. See docs/nat.md.",
            ..Setting::PLAIN
        },
        Setting {
            key: "lanes.proxy_protocol_port",
            kind: SettingKind::Number {
                min: 0,
                max: 65_535,
                field: |settings| Number::Port(&mut settings.dial.proxy_protocol_port),
            },
            reload: Reload::Restart,
            what: "The nodes' native_shard_aware_transport_port_proxy_protocol; 0 if they have none",
            why: "ScyllaDB 2026.1 and later can have that port. Shards are then dialled there, and \
                  named by a PROXY protocol header instead of the source port, so that each is \
                  reached whatever NAT or a load balancer does to source ports. See docs/nat.md.",
            ..Setting::PLAIN
        },
        Setting {
            key: "lanes.source_port_low",
            kind: SettingKind::Number {
                min: 1024,
                max: 65_535,
                field: |settings| Number::First(&mut settings.dial.source_ports),
            },
            reload: Reload::Restart,
            what: "First source port that lanes may use",
            why: "The default is where IANA's range for such uses begins. Shard s of n is reached \
                  from ports with port % n = s.",
            ..Setting::PLAIN
        },
        Setting {
            key: "lanes.source_port_high",
            kind: SettingKind::Number {
                min: 1024,
                max: 65_535,
                field: |settings| Number::Last(&mut settings.dial.source_ports),
            },
            reload: Reload::Restart,
            what: "Last source port that lanes may use",
            why: "At least 256 ports are needed, so that every shard of a node has some.",
            ..Setting::PLAIN
        },
        Setting {
            key: "lanes.keepalive_s",
            kind: SettingKind::Number {
                min: 0,
                max: DAY_S,
                field: |settings| Number::U64(&mut settings.dial.keepalive_s),
            },
            reload: Reload::Connections,
            what: "Silence on a connection to a node after which the kernel probes it (TCP \
                   keep-alive); 0 means never",
            why: "Firewalls forget silent connections, most of them after minutes.",
            ..Setting::PLAIN
        },
        Setting {
            key: KEYS.heartbeat_us,
            kind: SettingKind::Number {
                min: 0,
                max: DAY_S,
                field: |settings| Number::SecondsAsMicros(&mut settings.limits.heartbeat_us),
            },
            reload: Reload::AtOnce,
            what: "Silence on a lane after which the node is asked for a sign of life (OPTIONS); 0 \
                   means never",
            why: "A lane that has requests in flight is asked after a tenth of it, and after 3 s if \
                  idle ones are never asked. `timeouts.heartbeat_ms` bounds the wait for the answer.",
            ..Setting::PLAIN
        },
        Setting {
            key: "lanes.backoff_first_ms",
            kind: SettingKind::Number {
                min: 1,
                max: DAY_MS,
                field: |settings| Number::U64(&mut settings.backoff.first_ms),
            },
            reload: Reload::AtOnce,
            what: "Longest wait before the second attempt to reach a node",
            why: "Each further wait may be twice as long, up to `lanes.backoff_max_ms`. Each wait is \
                  a random part of its longest, so that many proxies do not come all at once.",
            ..Setting::PLAIN
        },
        Setting {
            key: "lanes.backoff_max_ms",
            kind: SettingKind::Number {
                min: 1,
                max: DAY_MS,
                field: |settings| Number::U64(&mut settings.backoff.max_ms),
            },
            reload: Reload::AtOnce,
            what: "Longest wait before any attempt to reach a node",
            why: "It must be at least `lanes.backoff_first_ms`.",
            ..Setting::PLAIN
        },
    ],
};

/// `[failover]`
pub(super) const FAILOVER: Group = Group {
    table: "failover",
    about: "",
    settings: &[
        Setting {
            key: "failover.remote_nodes_max",
            kind: SettingKind::Number {
                min: 0,
                max: 1024,
                field: |settings| Number::Usize(&mut settings.failover.remote_nodes_max),
            },
            reload: Reload::AtOnce,
            what: "Nodes of each other data center that are used while no node of the local one can \
                   be reached; 0 means none",
            why: "Off by default, because the answers of another data center may be older, are \
                  slower, and cost traffic between the two.",
            ..Setting::PLAIN
        },
        Setting {
            key: "failover.after_ms",
            kind: SettingKind::Number {
                min: 0,
                max: DAY_MS,
                field: |settings| Number::U64(&mut settings.failover.after_ms),
            },
            reload: Reload::AtOnce,
            what: "Time without any connection to the local data center before others are dialled",
            why: "They are left as soon as one local node is back.",
            ..Setting::PLAIN
        },
        Setting {
            key: "failover.local_consistency",
            kind: SettingKind::Switch {
                field: |settings| &mut settings.failover.local_consistency,
            },
            reload: Reload::AtOnce,
            what: "Whether requests at LOCAL_ONE, LOCAL_QUORUM and LOCAL_SERIAL go to other data \
                   centers too",
            why: "\"Local\" then means the data center of the node that answers: rows that were \
                  written here at LOCAL_QUORUM may be missing there. If false, such requests get \
                  UNAVAILABLE, as drivers expect that fail over themselves.",
            ..Setting::PLAIN
        },
    ],
};

/// `[compression]`
pub(super) const COMPRESSION: Group = Group {
    table: "compression",
    about: "",
    settings: &[
        Setting {
            key: "compression.lanes",
            kind: SettingKind::Text {
                form: Form::Words(&["none", "lz4"]),
                takes: "none or lz4",
                read: |text, settings| {
                    let compression = match text {
                        "none" => Ok(None),
                        "lz4" => Ok(Some(Compression::Lz4)),
                        _ => Err("neither none nor lz4".to_owned()),
                    };
                    keep(compression, &mut settings.dial.compression)
                },
                show: |settings| {
                    settings.dial.compression.map_or("none", Compression::name).to_owned()
                },
            },
            reload: Reload::Connections,
            what: "Compression between the proxy and the nodes",
            why: "It costs CPU on both sides, and pays off where the network to the nodes is slow, \
                  or costs money. Bodies under 512 bytes are never compressed.",
            ..Setting::PLAIN
        },
        Setting {
            key: "compression.clients",
            flag: Some(Flag::repeated("NAME,...")),
            kind: SettingKind::Text {
                form: Form::WordList(&["lz4", "snappy"]),
                takes: "lz4 and snappy, either, or nothing",
                read: |text, settings| {
                    keep_each(text, &mut settings.compression_offered, |name| {
                        let known = Compression::from_name(name);
                        known.ok_or_else(|| format!("`{name}` is not an algorithm"))
                    })
                },
                show: |settings| {
                    let names = settings.compression_offered.iter().map(|known| known.name());
                    joined(&names.collect::<Vec<_>>())
                },
            },
            reload: Reload::Connections,
            what: "Compression that clients are offered: lz4, snappy or both",
            why: "None by default, because on the loopback compression costs CPU and saves nothing. A \
                  driver that asks for one of the two gets it in any case.",
            example: r#"["lz4", "snappy"]"#,
        },
    ],
};
