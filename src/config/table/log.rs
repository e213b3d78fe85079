//! Settings of [log].

use crate::config::setting::{Form, Reload, Setting, SettingKind, keep};
use crate::config::table::group::Group;
use crate::telemetry::logging;

/// `[log]`
pub(super) const LOG: Group = Group {
    table: "log",
    about: "",
    settings: &[
        Setting {
            key: "log.format",
            kind: SettingKind::Text {
                form: Form::Words(&["text", "json"]),
                takes: "text or json",
                read: |text, settings| keep(text.parse(), &mut settings.log.format),
                show: |settings| settings.log.format.to_string(),
            },
            what: "How a line of the log looks: text for people, json for collectors",
            why: "The log goes to stderr in both cases.",
            ..Setting::PLAIN
        },
        Setting {
            key: "log.level",
            kind: SettingKind::Text {
                form: Form::Plain,
                takes: "off, error, warn, info, debug or trace, then module=level after commas",
                read: |text, settings| {
                    let level = logging::check_level(text).map(|()| text.to_owned());
                    keep(level, &mut settings.log.level)
                },
                show: |settings| settings.log.level.clone(),
            },
            reload: Reload::AtOnce,
            what: "Least level that is logged, then exceptions, as `info,shardlane::worker=debug`",
            why: "Statements and values are never logged above debug, credentials never.",
            ..Setting::PLAIN
        },
    ],
};
