//! `config/shardlane.toml`: every setting at its default, each with what it is and why.

use super::{compare, default_toml, paragraph, range};
use crate::config::setting::{Setting, SettingKind};
use crate::config::settings::Settings;
use crate::config::table::GROUPS;

/// Longest line of a comment.
const COLUMNS: usize = 100;

const HEAD: &str = "\
Every setting of shardlane at its default, and why it is so. Written from the settings' own table; \
docs/configuration.md is the same as a page.

Each key has an environment variable: SHARDLANE_ and the key in capitals, with the table in front \
(SHARDLANE_LIMITS_CLIENTS_MAX). A flag beats the environment, which beats this file. \
`shardlane check --config FILE` prints what counts, and where it comes from.";

#[test]
fn the_example_file_is_what_the_table_says() {
    let mut text = "#:schema shardlane.schema.json\n#\n".to_owned();
    text.push_str(&comment(HEAD));
    let mut defaults = Settings::default();
    for group in &GROUPS {
        if !group.table.is_empty() {
            text.push('\n');
            text.push_str(&comment(group.about));
            text.push_str(&format!("[{}]\n", group.table));
        }
        for setting in group.settings {
            text.push('\n');
            text.push_str(&comment(&paragraph(setting)));
            text.push_str(&entry(setting, &mut defaults));
        }
    }
    compare("config/shardlane.toml", &text);
}

/// The lines of a setting below what it is and why.
fn entry(setting: &Setting, defaults: &mut Settings) -> String {
    let (_, name) = setting.place();
    let takes = match setting.kind {
        SettingKind::Number { .. } => format!("Range: {}.", range(setting)),
        SettingKind::Text { .. } => format!("Takes {}.", range(setting)),
        // The sentence above says it.
        SettingKind::Switch { .. } | SettingKind::Name { .. } | SettingKind::File { .. } => {
            String::new()
        }
    };
    let takes = comment(&takes);
    match default_toml(setting, defaults) {
        Some(default) => format!("{takes}{name} = {default}\n"),
        None => format!("{takes}# {name} = {}\n", setting.example),
    }
}

/// Paragraphs as lines of a comment.
fn comment(text: &str) -> String {
    let mut lines = Vec::new();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        if !lines.is_empty() {
            lines.push("#".to_owned());
        }
        lines.push("#".to_owned());
        for word in paragraph.split_whitespace() {
            let line = lines.last_mut().unwrap();
            if line.chars().count() + 1 + word.chars().count() > COLUMNS {
                lines.push(format!("# {word}"));
            } else {
                line.push(' ');
                line.push_str(word);
            }
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
