//! What can be wrong with a configuration; all of it is reported at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::origin::{FilePosition, SettingOrigin};

/// One fault. Each says what was given, where, why it cannot be, and what would be right.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("{}: cannot be read: {source}; give the path of a readable file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A line of the file that is no TOML, or that names a setting that does not exist.
    #[error("{place}: {detail}")]
    File {
        /// Where it is.
        place: FilePosition,
        /// What is wrong.
        detail: String,
    },
    /// A value that its setting cannot take.
    #[error("{key} = \"{value}\" ({origin}): {reason}; {right}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What was given.
        value: String,
        /// Where it was given.
        origin: SettingOrigin,
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

/// Every fault of one configuration: an operator corrects them in one go, not one restart for each.
#[derive(Debug, Error)]
pub struct Faults {
    /// The faults.
    pub faults: Vec<ConfigError>,
    /// What else may be a mistake, and so may be the cause of a fault: a line each.
    pub doubts: Vec<String>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.faults.len() == 1 { "" } else { "s" };
        write!(f, "{} fault{plural} in the configuration", self.faults.len())?;
        for fault in &self.faults {
            let text = fault.to_string();
            write!(f, "\n  - {}", text.trim_end().replace('\n', "\n    "))?;
        }
        if !self.doubts.is_empty() {
            write!(f, "\nand what may be a mistake")?;
        }
        for doubt in &self.doubts {
            write!(f, "\n  - {doubt}")?;
        }
        Ok(())
    }
}

/// Something that is no fault, but most likely a mistake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Doubt {
    /// The setting.
    pub key: &'static str,
    /// What was found, with the setting and its value.
    pub text: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.text, self.hint)
    }
}
