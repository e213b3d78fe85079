//! Reads every setting from its strongest layer, and keeps every fault instead of the first.

use crate::config::error::ConfigError;
use crate::config::origin::{Layers, SettingOrigin};
use crate::config::settings::Settings;
use crate::config::table;

/// One setting as it ended up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SettingEntry {
    /// Its key.
    pub key: &'static str,
    /// Its value as text; empty when unset.
    pub value: String,
    /// Where the value comes from.
    pub origin: SettingOrigin,
}

/// The settings while they are read and compared with each other.
#[derive(Debug)]
pub(crate) struct SettingsReader {
    /// The settings; a faulty one has its default.
    pub settings: Settings,
    /// Every setting, in the order of the table.
    pub entries: Vec<SettingEntry>,
    /// Every fault found so far.
    pub faults: Vec<ConfigError>,
}

impl SettingsReader {
    /// Reads all settings; `faults` are those found so far.
    #[must_use]
    pub(crate) fn read(layers: &Layers<'_>, faults: Vec<ConfigError>) -> Self {
        let mut reader = Self { settings: Settings::default(), entries: Vec::new(), faults };
        for setting in table::all() {
            let key = setting.key;
            let Some((text, origin)) = layers.find(setting) else {
                let value = setting.show(&mut reader.settings);
                reader.entries.push(SettingEntry { key, value, origin: SettingOrigin::Default });
                continue;
            };
            let read = setting.read(text.trim(), &mut reader.settings);
            let value = setting.shown(&text).into_owned();
            reader.entries.push(SettingEntry { key, value, origin });
            let right = format!("give {}", setting.takes());
            for reason in read.err().unwrap_or_default() {
                reader.refuse(key, &reason, &right);
            }
        }
        reader
    }

    /// Adds a fault of `key`'s value.
    pub(crate) fn refuse(&mut self, key: &'static str, reason: &str, right: &str) {
        let Some(entry) = self.entries.iter().find(|entry| entry.key == key) else {
            return;
        };
        self.faults.push(ConfigError::Value {
            key,
            value: entry.value.clone(),
            origin: entry.origin.clone(),
            reason: reason.to_owned(),
            right: right.to_owned(),
        });
    }

    /// Whether `key` was found faulty already: what it would be compared with is then its default.
    #[must_use]
    pub(crate) fn is_faulty(&self, key: &str) -> bool {
        self.faults
            .iter()
            .any(|fault| matches!(fault, ConfigError::Value { key: faulty, .. } if *faulty == key))
    }
}
