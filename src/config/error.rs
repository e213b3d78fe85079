//! What can be wrong with a configuration, all of it told at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::overrides::Origin;

/// One fault. Each says what was given, where, why it cannot be, and what would be right.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("{}: cannot be read: {source}; give the path of a readable file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is not TOML, names a setting that does not exist, or gives one a wrong type.
    #[error("{}: {detail}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The parser's own words, with line, column and key.
        detail: String,
    },
    /// A value that its setting cannot take.
    #[error("{key} = \"{value}\" ({origin}): {reason}; {right}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What was given.
        value: String,
        /// Who gave it.
        origin: Origin,
        /// Why it cannot be.
        reason: String,
        /// What would be right.
        right: String,
    },
    /// A setting without which nothing works, and that has no default.
    #[error("{key} is not set; {right}")]
    Missing {
        /// The setting.
        key: &'static str,
        /// What would be right.
        right: String,
    },
}

/// Every fault of one configuration: an operator mends them in one go, not one restart for each.
#[derive(Debug, Error)]
pub struct Faults(pub Vec<ConfigError>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} fault{plural} in the configuration", self.0.len())?;
        for fault in &self.0 {
            let text = fault.to_string();
            write!(f, "\n  - {}", text.trim_end().replace('\n', "\n    "))?;
        }
        Ok(())
    }
}
