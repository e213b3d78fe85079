//! Reads settings one by one from all layers, and keeps every fault instead of the first.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::config::error::ConfigError;
use crate::config::overrides::{Layers, Origin};

/// One setting as it ended up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: &'static str,
    /// Its value as text; empty when unset.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
}

/// Reads settings; a faulty one takes its default, so that the reading goes on.
pub struct Reader<'a> {
    layers: &'a Layers<'a>,
    /// Every setting read so far, in order.
    pub entries: Vec<Entry>,
    /// Every fault found so far.
    pub faults: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    /// Reads from `layers`.
    #[must_use]
    pub fn new(layers: &'a Layers<'a>) -> Self {
        Self { layers, entries: Vec::new(), faults: Vec::new() }
    }

    /// Reads one setting with `parse`, which tells why a text cannot be; `right` tells what can.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        default: (T, String),
        right: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let Some((value, origin)) = self.layers.find(key) else {
            self.entries.push(Entry { key, value: default.1, origin: Origin::Default });
            return default.0;
        };
        self.entries.push(Entry { key, value: value.clone(), origin: origin.clone() });
        match parse(value.trim()) {
            Ok(parsed) => parsed,
            Err(reason) => {
                let right = right.to_owned();
                self.faults.push(ConfigError::Value { key, value, origin, reason, right });
                default.0
            }
        }
    }

    /// Reads a whole number within `range`. Underscores may group digits, as in TOML.
    pub fn number<N>(&mut self, key: &'static str, default: N, range: &RangeInclusive<N>) -> N
    where
        N: Copy + Display + FromStr + PartialOrd,
    {
        let right = format!("give a whole number from {} to {}", range.start(), range.end());
        self.read(key, (default, default.to_string()), &right, |text| {
            let is_number = text.chars().all(|c| c.is_ascii_digit() || c == '_' || c == '-');
            match text.replace('_', "").parse::<N>() {
                Ok(number) if range.contains(&number) => Ok(number),
                Ok(_) => Err("out of range".to_owned()),
                Err(_) if is_number => Err("out of range".to_owned()),
                Err(_) => Err("not a whole number".to_owned()),
            }
        })
    }

    /// Reads a whole number into `slot`, which holds its default.
    pub fn set<N>(&mut self, key: &'static str, slot: &mut N, range: &RangeInclusive<N>)
    where
        N: Copy + Display + FromStr + PartialOrd,
    {
        *slot = self.number(key, *slot, range);
    }

    /// Reads milliseconds, as people give them, into a `slot` of microseconds.
    pub fn set_ms_as_us(&mut self, key: &'static str, slot: &mut u64, range: &RangeInclusive<u64>) {
        *slot = self.number(key, *slot / 1000, range).saturating_mul(1000);
    }

    /// Reads a switch.
    pub fn switch(&mut self, key: &'static str, default: bool) -> bool {
        self.read(key, (default, default.to_string()), "give true or false", |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("neither true nor false".to_owned()),
        })
    }

    /// Reads a text that may be absent, but not empty.
    pub fn text(&mut self, key: &'static str, right: &str) -> Option<String> {
        self.read(key, (None, String::new()), right, |text| {
            if text.is_empty() { Err("empty".to_owned()) } else { Ok(Some(text.to_owned())) }
        })
    }

    /// Adds a fault that shows only when settings are seen together; it is laid to `key`.
    pub fn refuse(&mut self, key: &'static str, reason: &str, right: &str) {
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

    /// Whether `key` was set and already found faulty: no second fault needs telling about it.
    #[must_use]
    pub fn is_faulty(&self, key: &str) -> bool {
        self.faults
            .iter()
            .any(|fault| matches!(fault, ConfigError::Value { key: faulty, .. } if *faulty == key))
    }
}
