//! Settings before all tables: where the cluster is, where clients connect, and who the proxy is.

use crate::config::address::{parse_bind, parse_contact_point, parse_listen, parse_mode};
use crate::config::setting::{
    DAY_S, Flag, Form, Number, Reload, Setting, SettingKind, joined, keep, keep_each,
};
use crate::config::table::group::Group;

/// The keys before the first table.
pub(super) const GENERAL: Group = Group {
    table: "",
    about: "",
    settings: &[
        Setting {
            key: "contact_points",
            flag: Some(Flag::repeated("HOST[:PORT],...").or('c')),
            kind: SettingKind::Text {
                form: Form::List,
                takes: "each as host or host:port",
                read: |text, settings| {
                    keep_each(text, &mut settings.contact_points, parse_contact_point)
                },
                show: |settings| joined(&settings.contact_points),
            },
            reload: Reload::Restart,
            what: "Nodes that are asked first for the cluster's members, separated by commas",
            why: "All other nodes are discovered; two or three are enough. This is the only setting \
                  without a default that must be set. All of them must be nodes of one cluster: `run` \
                  stops if one belongs to a cluster with another name than the first that answers, \
                  and if all of them are shardlanes.",
            example: r#"["10.0.0.1", "10.0.0.2:9042"]"#,
        },
        Setting {
            key: "port",
            flag: Some(Flag::once("PORT")),
            kind: SettingKind::Number {
                min: 1,
                max: 65_535,
                field: |settings| Number::U16(&mut settings.port),
            },
            reload: Reload::Restart,
            what: "CQL port of the nodes",
            why: "It is used for contact points that name no port, and for all nodes that are \
                  discovered, because the system tables list addresses without ports.",
            ..Setting::PLAIN
        },
        Setting {
            key: "bind",
            flag: Some(Flag::repeated("ADDRESS:PORT|unix:PATH")),
            kind: SettingKind::Text {
                form: Form::Plain,
                takes: "addresses with ports, as 127.0.0.1:9042, or paths, as unix:/run/cql.sock, \
                        separated by commas",
                read: |text, settings| {
                    keep_each(text, &mut settings.bind, parse_bind)?;
                    if settings.bind.is_empty() { Err(vec!["empty".to_owned()]) } else { Ok(()) }
                },
                show: |settings| joined(&settings.bind),
            },
            reload: Reload::Restart,
            what: "Where clients connect; several places are separated by commas",
            why: "The default is the loopback, because a sidecar serves its own pod only. \
                  `unix:/run/shardlane/cql.sock` is a Unix socket.",
            ..Setting::PLAIN
        },
        Setting {
            key: "bind_as_nodes",
            kind: SettingKind::Switch { field: |settings| &mut settings.bind_as_nodes },
            reload: Reload::Restart,
            what: "Whether clients see each address of `bind` as a node of its own, the others' peer",
            why: "Drivers see one node otherwise: when it answers UNAVAILABLE or is not there, their \
                  policies have no next host, and most raise NoHostAvailable or \
                  AllNodesFailedException instead of the error itself. Give two addresses with one \
                  port, as 127.0.0.1:9042 and 127.0.0.2:9042; clients must reach both. Each driver \
                  opens connections to both.",
            ..Setting::PLAIN
        },
        Setting {
            key: "bind_mode",
            flag: Some(Flag::once("MODE")),
            kind: SettingKind::Text {
                form: Form::Plain,
                takes: "permissions as an octal number, as 0660",
                read: |text, settings| keep(parse_mode(text), &mut settings.bind_mode),
                show: |settings| format!("{:04o}", settings.bind_mode),
            },
            reload: Reload::Restart,
            what: "Permissions of the file of a Unix socket",
            why: "Every process that may write to the file may connect.",
            ..Setting::PLAIN
        },
        Setting {
            key: "data_center",
            flag: Some(Flag::once("NAME")),
            kind: SettingKind::Name {
                takes: "the name as system.local reports it",
                field: |settings| &mut settings.data_center,
            },
            what: "Data center whose nodes get the requests; if unset, that of the first node that \
                   answers",
            why: "Nodes elsewhere get requests only if `failover.remote_nodes_max` allows it.",
            example: r#""dc1""#,
            ..Setting::PLAIN
        },
        Setting {
            key: "rack",
            flag: Some(Flag::once("NAME")),
            kind: SettingKind::Name {
                takes: "the name as system.local reports it",
                field: |settings| &mut settings.rack,
            },
            what: "Rack whose nodes are preferred among the replicas of a row",
            why: "Traffic within a rack, which in a cloud is an availability zone, is faster and \
                  cheaper. It needs `data_center`. Unset, all racks are alike.",
            example: r#""rack1""#,
            ..Setting::PLAIN
        },
        Setting {
            key: "translate",
            flag: Some(Flag::repeated("FROM=HOST[:PORT],...")),
            kind: SettingKind::Text {
                form: Form::Routes,
                takes: "each as FROM=HOST, FROM=HOST:PORT or FROM=HOST:PORT/SHARD_AWARE_PORT, where \
                        FROM is an address or a host id",
                read: |text, settings| keep_each(text, &mut settings.translate, str::parse),
                show: |settings| joined(&settings.translate),
            },
            reload: Reload::Restart,
            what: "Where nodes are dialled instead of at the addresses that they report",
            why: "For clusters behind NAT. `from` is the address that the node reports \
                  (rpc_address), or its host id. A `to` without a port stands for all ports of the \
                  node. With a port, only that port leads to the node; shards are then found by \
                  trial, unless `shard_aware_port` names the port at `to` that leads to the node's \
                  shard-aware port, or to its PROXY protocol port if that is used.",
            example: r#"[{ from = "10.0.0.1", to = "203.0.113.7:9001", shard_aware_port = 9101 }]"#,
        },
        Setting {
            key: "client_routes",
            flag: Some(Flag::repeated("ID,...")),
            kind: SettingKind::Text {
                form: Form::List,
                takes: "connection ids, as the cloud names them",
                read: |text, settings| {
                    keep_each(text, &mut settings.client_routes, |id| Ok(id.to_owned()))
                },
                show: |settings| joined(&settings.client_routes),
            },
            reload: Reload::Restart,
            what: "Connection ids of private endpoints, whose rows of system.client_routes say \
                   where nodes are dialled",
            why: "For PrivateLink and its like, with ScyllaDB 2026.1 and later. If several ids have \
                  a row for a node, the first id counts. Changes of the table are followed.",
            example: r#"["aws-endpoint-id"]"#,
        },
        Setting {
            key: "username",
            flag: Some(Flag::once("ROLE")),
            kind: SettingKind::Name {
                takes: "the name of a role, or remove the setting",
                field: |settings| &mut settings.username,
            },
            what: "The proxy's own role, for a cluster that asks for credentials",
            why: "Unless `auth.mode` says otherwise, every client then has the rights of this role, \
                  whatever it sends itself: only the application should be able to reach `bind`. \
                  Unset, each client logs in itself. See docs/authentication.md.",
            example: r#""app""#,
            ..Setting::PLAIN
        },
        Setting {
            key: "password_file",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: "the path of a readable file that holds the password alone",
                is_secret: true,
                field: |settings| &mut settings.password_file,
            },
            reload: Reload::Restart,
            what: "File that holds the password of that role, and nothing else",
            why: "No flag, variable or key takes the password itself, because all users of a machine \
                  can read arguments. The file is read again when it changes. `check` and `doctor` \
                  warn if all users of the machine may read it.",
            example: r#""/etc/shardlane/password""#,
        },
        Setting {
            key: "admin",
            flag: Some(Flag::once("ADDRESS:PORT")),
            kind: SettingKind::Text {
                form: Form::Plain,
                takes: "an address and a port, as 127.0.0.1:9380",
                read: |text, settings| keep(parse_listen(text), &mut settings.admin),
                show: |settings| settings.admin.to_string(),
            },
            what: "Where metrics and probes are served",
            why: "The default is the loopback, so that nothing is public by accident. Kubernetes \
                  probes a pod from outside: there it is 0.0.0.0:9380.",
            ..Setting::PLAIN
        },
        Setting {
            key: "startup",
            kind: SettingKind::Text {
                form: Form::Words(&["lane", "at-once"]),
                takes: "lane or at-once",
                read: |text, settings| {
                    settings.startup_without_cluster = match text {
                        "lane" => false,
                        "at-once" => true,
                        _ => return Err(vec!["neither lane nor at-once".to_owned()]),
                    };
                    Ok(())
                },
                show: |settings| {
                    let name = if settings.startup_without_cluster { "at-once" } else { "lane" };
                    name.to_owned()
                },
            },
            what: "When clients are served and the startup probe passes: at the first lane to a \
                   node, or at-once",
            why: "Kubernetes starts the application when the startup probe of a native sidecar \
                  passes. `lane` keeps the application from meeting a proxy that cannot serve it yet; \
                  `at-once` starts it even if the cluster is down, and its requests then get errors.",
            ..Setting::PLAIN
        },
        Setting {
            key: "min_sigterm_delay_s",
            flag: Some(Flag::once("SECONDS").named("min-sigterm-delay")),
            kind: SettingKind::Number {
                min: 0,
                max: DAY_S,
                field: |settings| Number::U64(&mut settings.drain.min_sigterm_delay_s),
            },
            reload: Reload::AtOnce,
            what: "Time after SIGTERM in which clients are served as before, new ones included",
            why: "Where the application is stopped at the same time as the proxy (compose, ECS, pods \
                  without native sidecars), it may need the cluster for its last work. The readiness \
                  probe fails from SIGTERM on. A second SIGTERM ends the delay.",
            ..Setting::PLAIN
        },
        Setting {
            key: "max_sigterm_delay_s",
            flag: Some(Flag::once("SECONDS").named("max-sigterm-delay")),
            kind: SettingKind::Number {
                min: 0,
                max: DAY_S,
                field: |settings| Number::U64(&mut settings.drain.max_sigterm_delay_s),
            },
            reload: Reload::AtOnce,
            what: "Time after SIGTERM in which clients are served as before while any is connected",
            why: "The delay ends as soon as the last client leaves. Requests that are in flight after \
                  it have `timeouts.drain_ms` to finish.",
            ..Setting::PLAIN
        },
        Setting {
            key: "workers",
            flag: Some(Flag::once("COUNT")),
            kind: SettingKind::Number {
                min: 1,
                max: 256,
                field: |settings| Number::Usize(&mut settings.workers),
            },
            what: "Worker threads",
            why: "One serves most applications, and a sidecar shares the application's cores. Each \
                  worker has connections of its own to every shard.",
            ..Setting::PLAIN
        },
    ],
};
