//! Where a value comes from, and which of several counts: flag over environment over file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::config::setting::Setting;

/// Where the environment is looked up: a function, so that tests need no process environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A position in the configuration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilePosition {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
}

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}, column {}", self.path.display(), self.line, self.column)
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SettingOrigin {
    /// A flag, by its long name.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// The configuration file.
    File(FilePosition),
    /// A command to the running process, by its method and path.
    Command(&'static str),
    /// The setting itself.
    Default,
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(place) => write!(f, "file {place}"),
            Self::Command(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Everything that is said about the settings, strongest first.
pub struct Layers<'a> {
    /// Flags by the key of their setting.
    pub flags: BTreeMap<&'static str, String>,
    /// Environment.
    pub environment: Environment<'a>,
    /// The file's values by key.
    pub file: BTreeMap<&'static str, (String, FilePosition)>,
}

impl Layers<'_> {
    /// The strongest value of a setting; none leaves it at its default.
    #[must_use]
    pub fn find(&self, setting: &Setting) -> Option<(String, SettingOrigin)> {
        if let Some(value) = self.flags.get(setting.key) {
            return Some((value.clone(), SettingOrigin::Flag(setting.flag_name())));
        }
        let name = setting.variable();
        let value = (self.environment)(&name).filter(|value| !is_noise(setting.key, value));
        if let Some(value) = value {
            return Some((value, SettingOrigin::Environment(name)));
        }
        let (value, place) = self.file.get(setting.key)?;
        Some((value.clone(), SettingOrigin::File(place.clone())))
    }
}

/// Whether a variable says nothing about its setting. Manifests often leave a variable empty. In a
/// namespace with a Service called `shardlane`, Kubernetes sets `SHARDLANE_PORT=tcp://10.0.0.1:9042`
/// in every pod.
fn is_noise(key: &str, value: &str) -> bool {
    value.is_empty() || (key == "port" && value.contains("://"))
}
