//! Settings of [upgrade]: how a new process takes the place of a running one.

use crate::config::setting::{Flag, Kind, Setting};
use crate::config::table::group::Group;

/// `[upgrade]`
pub(super) const UPGRADE: Group = Group {
    table: "upgrade",
    about: "",
    settings: &[Setting {
        key: "upgrade.socket",
        flag: Some(Flag::once("FILE")),
        kind: Kind::File {
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
    }],
};
