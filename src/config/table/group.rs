//! Settings that stand together in the file.

use crate::config::setting::Setting;

/// The settings of one table of the file.
#[derive(Debug)]
pub struct Group {
    /// The table's name; empty for the settings before all tables.
    pub table: &'static str,
    /// What its settings have in common; may be empty.
    pub about: &'static str,
    /// The settings, in the order in which they are documented.
    pub settings: &'static [Setting],
}
