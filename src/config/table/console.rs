//! Settings of [console].

use crate::config::setting::{
    DAY_MS, Form, Number, Reload, Setting, SettingKind, joined, keep, keep_each,
};
use crate::config::table::group::Group;

/// `[console]`
pub(super) const CONSOLE: Group = Group {
    table: "console",
    about: "The keyspace `shardlane`, in which any driver and cqlsh read what the process does, and the \
            live page of the admin address. docs/console.md says more.",
    settings: &[
        Setting {
            key: "console.enabled",
            kind: SettingKind::Switch { field: |settings| &mut settings.console.enabled },
            reload: Reload::AtOnce,
            what: "Whether clients see the keyspace `shardlane`",
            why: "It costs nothing while it is not asked. Statements are shown without values, and no \
                  secret is shown. If the cluster itself has a keyspace of that name, clients see that \
                  one instead.",
            ..Setting::PLAIN
        },
        Setting {
            key: "console.roles",
            kind: SettingKind::Text {
                form: Form::List,
                takes: "names of roles",
                read: |text, settings| {
                    keep_each(text, &mut settings.console.roles, |role| Ok(role.to_owned()))
                },
                show: |settings| joined(&settings.console.roles),
            },
            reload: Reload::AtOnce,
            what: "Roles that see the console, if clients log in themselves",
            why: "It shows addresses, statements and settings of all clients. By default no role sees \
                  it. If clients need not log in, all of them do.",
            example: r#"["operator"]"#,
            ..Setting::PLAIN
        },
        Setting {
            key: "console.slow_ms",
            kind: SettingKind::Number {
                min: 0,
                max: DAY_MS,
                field: |settings| Number::MillisAsMicros(&mut settings.console.slow_us),
            },
            reload: Reload::AtOnce,
            what: "Time from which on a request is slow, and is kept for the table `slow_requests`",
            why: "Each worker keeps the latest 128, at most one each millisecond, without their values. \
                  0 keeps none.",
            ..Setting::PLAIN
        },
        Setting {
            key: "console.page",
            kind: SettingKind::Text {
                form: Form::Words(&["loopback", "all", "off"]),
                takes: "loopback, all or off",
                read: |text, settings| keep(text.parse(), &mut settings.page),
                show: |settings| settings.page.name().to_owned(),
            },
            what: "To whom the live page at `/` of the admin address is shown",
            why: "It shows statements without values, and the drivers of clients. With \"loopback\", \
                  `kubectl port-forward` and `ssh -L` reach it, other machines do not, though they may \
                  reach metrics and probes.",
            ..Setting::PLAIN
        },
    ],
};
