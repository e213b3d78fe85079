//! Files that are written from the table of settings, and the tests that find them stale.

mod example;
mod page;
mod schema;

use std::env;
use std::fs;
use std::path::Path;

use crate::config::setting::{Form, Setting, SettingKind};
use crate::config::settings::Settings;

/// Compares a file with what the table says; `SHARDLANE_GOLDEN=write` writes it instead.
fn compare(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("SHARDLANE_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "{} is stale: SHARDLANE_GOLDEN=write writes it anew", path.display());
}

/// A setting's default as TOML; none where it is unset by default.
fn default_toml(setting: &Setting, defaults: &mut Settings) -> Option<String> {
    let text = setting.show(defaults);
    match setting.kind {
        _ if text.is_empty() => None,
        SettingKind::Number { .. } => Some(grouped(&text, '_')),
        SettingKind::Switch { .. } => Some(text),
        SettingKind::Text { form: Form::List | Form::WordList(_) | Form::Routes, .. } => {
            Some(format!("{:?}", text.split(',').collect::<Vec<_>>()))
        }
        SettingKind::Name { .. } | SettingKind::File { .. } | SettingKind::Text { .. } => {
            Some(format!("{text:?}"))
        }
    }
}

/// A number of five digits or more with its digits in groups of three.
fn grouped(number: &str, separator: char) -> String {
    if number.len() < 5 {
        return number.to_owned();
    }
    let mut text = String::new();
    for (index, digit) in number.chars().enumerate() {
        if index > 0 && (number.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// What a setting takes, in a few words, with its unit.
fn range(setting: &Setting) -> String {
    let grouped = |number: u64| grouped(&number.to_string(), ',');
    match setting.kind {
        SettingKind::Number { min, max, .. } => {
            format!("{} to {} {}", grouped(min), grouped(max), setting.unit()).trim_end().to_owned()
        }
        SettingKind::Text { form: Form::Words(words), .. } => words.join(" or "),
        SettingKind::Switch { .. }
        | SettingKind::Name { .. }
        | SettingKind::File { .. }
        | SettingKind::Text { .. } => {
            setting.takes().trim_end_matches(", or remove the setting").to_owned()
        }
    }
}

/// What a setting is and why, as one paragraph.
fn paragraph(setting: &Setting) -> String {
    format!("{}. {}", setting.what, setting.why)
}
