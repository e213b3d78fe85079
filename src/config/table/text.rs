//! Settings of [text]: statements that clients did not prepare.

use crate::config::setting::{Form, Reload, Setting, SettingKind, keep};
use crate::config::table::group::Group;

/// `[text]`
pub(super) const TEXT: Group = Group {
    table: "text",
    about: "Statements that clients send as text, without preparing them.",
    settings: &[Setting {
        key: "text.mode",
        kind: SettingKind::Text {
            form: Form::Words(&["route", "execute", "off"]),
            takes: "route, execute or off",
            read: |text, settings| keep(text.parse(), &mut settings.text_mode),
            show: |settings| settings.text_mode.name().to_owned(),
        },
        reload: Reload::AtOnce,
        what: "Whether a statement by text goes to the shard that owns its row",
        why: "\"route\" reads the table and the partition key out of each SELECT, INSERT, UPDATE, \
              DELETE and batch, and sends it to a replica, as it is; what is not understood goes to \
              any node. With \"execute\" a text whose shape is seen often is run as a prepared \
              statement, with its constants as values: that saves the node its parser. With \"off\" no \
              text is read.",
        ..Setting::PLAIN
    }],
};
