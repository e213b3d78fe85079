//! Settings of [state]: what a restarted process begins with.

use crate::config::setting::{DAY_S, Flag, Number, Setting, SettingKind};
use crate::config::table::group::Group;

/// `[state]`
pub(super) const STATE: Group = Group {
    table: "state",
    about: "What was learned (tablets, prepared statements, keys of tables) is kept in a file, so that a \
            restarted process routes from its first request on. docs/operations.md says more.",
    settings: &[
        Setting {
            key: "state.file",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: "the path of a file in a folder where this user may make files",
                is_secret: false,
                field: |settings| &mut settings.state.file,
            },
            what: "File in which what was learned is kept over a restart; if unset, nothing is kept",
            why: "A file that is damaged, or of another cluster, is ignored with a warning. It holds the \
                  texts of prepared statements, so only its owner may read it. In Kubernetes it lies in an \
                  emptyDir, which lives as long as the pod.",
            example: r#""/var/lib/shardlane/state""#,
            ..Setting::PLAIN
        },
        Setting {
            key: "state.interval_s",
            kind: SettingKind::Number {
                min: 1,
                max: DAY_S,
                field: |settings| Number::U64(&mut settings.state.interval_s),
            },
            what: "Time after which the file is written again",
            why: "It is also written when the process stops, so that only a crash loses what was learned \
                  since. Writing takes no time from requests.",
            ..Setting::PLAIN
        },
        Setting {
            key: "state.bytes_max",
            kind: SettingKind::Number {
                min: 65_536,
                max: 4_294_967_296,
                field: |settings| Number::U64(&mut settings.state.bytes_max),
            },
            what: "Longest file",
            why: "100,000 tablets take 3 MB, 1,000 statements some 500 kB. What finds no room is learned \
                  again after a restart; tablets are left out first. A longer file is not read.",
            ..Setting::PLAIN
        },
    ],
};
