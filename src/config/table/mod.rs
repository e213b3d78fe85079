//! Every setting, defined once. All code that reads, shows or documents settings goes over this table.
//!
//! HACKING.md says how to add one.

mod access;
mod console;
mod general;
pub mod group;
mod lanes;
mod limits;
mod log;
mod state;
mod tablets;
mod text;
mod timing;
mod upgrade;

use crate::config::setting::Setting;
use crate::config::table::group::Group;

/// All settings, in the order of the file.
pub static GROUPS: [Group; 16] = [
    general::GENERAL,
    access::AUTH,
    access::TLS,
    access::BIND_TLS,
    limits::LIMITS,
    timing::TIMEOUTS,
    timing::RETRIES,
    lanes::LANES,
    lanes::FAILOVER,
    lanes::COMPRESSION,
    tablets::TABLETS,
    state::STATE,
    upgrade::UPGRADE,
    text::TEXT,
    console::CONSOLE,
    log::LOG,
];

/// All settings, in the order of the file.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings)
}

/// Whether `name` is a table of the file.
#[must_use]
pub fn is_table(name: &str) -> bool {
    !name.is_empty() && GROUPS.iter().any(|group| group.table == name)
}

/// The setting of a key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests;
