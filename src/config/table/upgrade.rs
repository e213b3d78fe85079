//! Settings of [upgrade]: how a new process takes the place of a running one.

use crate::config::setting::{Flag, Number, Setting, SettingKind};
use crate::config::table::group::Group;

/// `[upgrade]`
pub(super) const UPGRADE: Group = Group {
    table: "upgrade",
    about: "",
    settings: &[
        Setting {
            key: "upgrade.socket",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: "a path for a Unix socket, in a folder where this user may make files",
                is_secret: false,
                field: |settings| &mut settings.upgrade_socket,
            },
            what: "Unix socket at which a new process takes the place of this one; if unset, none does",
            why: "A process that finds another at this socket gets its listeners, what it has learned, and its \
              clients, without a connection that is closed; the other one ends. Only the same user may \
              connect to it. docs/operations.md says more.",
            example: r#""/run/shardlane/upgrade.sock""#,
            ..Setting::PLAIN
        },
        Setting {
            key: "upgrade.lanes_wait_s",
            kind: SettingKind::Number {
                min: 1,
                // Less than the other process waits for it.
                max: 100,
                field: |settings| Number::U64(&mut settings.upgrade_lanes_wait_s),
            },
            what: "How long a new process waits for its first connection to a node",
            why: "Without one it takes no place: it ends with exit code 1, and the process before, which serves \
                  meanwhile, goes on. It ends sooner when all contact points refuse it several times in a row.",
            ..Setting::PLAIN
        },
    ],
};
