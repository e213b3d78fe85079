//! `docs/configuration.md`: the table of settings as a page.

use super::{compare, default_toml, paragraph, range};
use crate::config::setting::{Reload, Setting};
use crate::config::settings::Settings;
use crate::config::table::GROUPS;

const HEAD: &str = "\
# Configuration

Every setting, with its default and its reason. This page is written from the settings' own table, as are
[config/shardlane.toml](../config/shardlane.toml), the same as a file to start from, and
[config/shardlane.schema.json](../config/shardlane.schema.json), by which editors complete and check such a file.

A setting is given by its key in the file that `--config` or `SHARDLANE_CONFIG` names, by its environment variable, or by
its flag if it has one. A flag beats the environment, which beats the file, which beats the default. An empty variable
counts as unset. Lists are separated by commas in flags and variables.

`shardlane check` prints every fault at once: what was given, where (in a file with line and column), and what would be
right. Without a fault it prints each setting, its value and where that comes from. A name that is no setting is a fault in
the file and a warning in the environment. No setting takes a password itself, and no message shows one.

shardlane reads its settings when it starts, and its file again when the file changes, at SIGHUP, and when `shardlane reload`
or `POST /reload` asks for it. No connection is touched by that. The column *takes effect* says when a new value does: at
once, for connections that are opened from then on, or not before a restart. With any fault in the file the settings before
stay in force, and the log says what is wrong. Certificates, keys, CAs and the password are read again by themselves.
";

#[test]
fn the_page_of_settings_is_what_the_table_says() {
    let mut text = HEAD.to_owned();
    let mut defaults = Settings::default();
    for group in &GROUPS {
        let title = match group.table {
            "" => "Before all tables".to_owned(),
            table => format!("[{table}]"),
        };
        text.push_str(&format!("\n## {title}\n\n"));
        if !group.about.is_empty() {
            text.push_str(&format!("{}\n\n", group.about));
        }
        text.push_str("| key | flag, variable | default | takes | takes effect | what and why |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for setting in group.settings {
            text.push_str(&row(setting, &mut defaults));
        }
    }
    compare("docs/configuration.md", &text);
}

fn row(setting: &Setting, defaults: &mut Settings) -> String {
    let flag = setting.flag.map_or_else(String::new, |flag| {
        let short = flag.short.map_or_else(String::new, |short| format!("`-{short}`, "));
        format!("{short}`--{}`, ", setting.flag_name())
    });
    let default = default_toml(setting, defaults);
    let default = default.map_or_else(|| "unset".to_owned(), |default| format!("`{default}`"));
    format!(
        "| `{}` | {flag}`{}` | {default} | {} | {} | {} |\n",
        setting.key,
        setting.variable(),
        range(setting),
        reload(setting.reload),
        paragraph(setting)
    )
}

fn reload(reload: Reload) -> &'static str {
    match reload {
        Reload::AtOnce => "at once",
        Reload::Connections => "new connections",
        Reload::Restart => "restart",
    }
}
