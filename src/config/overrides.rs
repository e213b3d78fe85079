//! Who set what: flag over environment over file over default.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::PathBuf;

/// Every environment variable begins so; the rest is the key in capitals, dots as underscores.
pub const ENVIRONMENT_PREFIX: &str = "SHARDLANE_";

/// Names the configuration file.
pub const CONFIG_VARIABLE: &str = "SHARDLANE_CONFIG";

/// Where the environment is looked up: a function, so that tests need no process environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The variable for a key: `limits.clients_max` is `SHARDLANE_LIMITS_CLIENTS_MAX`.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.to_uppercase().replace('.', "_"))
}

/// The names of the process's own variables.
#[must_use]
pub fn process_variables() -> Vec<String> {
    env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
}

/// Of `names`, those that look like settings of ours and are none of `keys`: misspelt, most likely.
/// What Kubernetes sets for a Service called `shardlane…` is nobody's mistake.
#[must_use]
pub fn unknown_variables(names: Vec<String>, keys: &[&str]) -> Vec<String> {
    let known = keys.iter().map(|key| variable(key)).collect::<Vec<_>>();
    let is_link = |name: &str| {
        let port = name.rsplit_once("_PORT").map(|(_, rest)| rest);
        name.contains("_SERVICE_HOST")
            || name.contains("_SERVICE_PORT")
            || port.is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix('_').is_some_and(starts_with_digit)
            })
            || name.contains("_TCP_")
            || name.contains("_UDP_")
    };
    let is_unknown = |name: &String| {
        name.starts_with(ENVIRONMENT_PREFIX)
            && name != CONFIG_VARIABLE
            && !known.contains(name)
            && !is_link(name)
    };
    let mut unknown = names.into_iter().filter(is_unknown).collect::<Vec<_>>();
    unknown.sort();
    unknown
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Who set a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A flag, by its long name.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// The configuration file.
    File(PathBuf),
    /// Nobody.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Everything that was said about the settings, strongest first.
pub struct Layers<'a> {
    /// Flags by key.
    pub flags: BTreeMap<&'static str, String>,
    /// Environment.
    pub environment: Environment<'a>,
    /// The file's path, when one was given.
    pub path: Option<PathBuf>,
    /// The file's values by key.
    pub file: BTreeMap<String, String>,
}

impl Layers<'_> {
    /// The strongest word on `key`. An empty variable counts as unset, as manifests often leave it.
    #[must_use]
    pub fn find(&self, key: &'static str) -> Option<(String, Origin)> {
        if let Some(value) = self.flags.get(key) {
            return Some((value.clone(), Origin::Flag(key.replace(['_', '.'], "-"))));
        }
        let name = variable(key);
        let value = (self.environment)(&name).filter(|value| !is_noise(key, value));
        if let Some(value) = value {
            return Some((value, Origin::Environment(name)));
        }
        let value = self.file.get(key)?;
        Some((value.clone(), Origin::File(self.path.clone().unwrap_or_default())))
    }
}

/// Whether a variable says nothing about its setting. In a namespace with a Service called
/// `shardlane`, Kubernetes sets `SHARDLANE_PORT=tcp://10.0.0.1:9042` in every pod.
fn is_noise(key: &str, value: &str) -> bool {
    value.is_empty() || (key == "port" && value.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_found_among_settings_and_service_links() {
        let names = [
            "PATH",
            "SHARDLANE_CONFIG",
            "SHARDLANE_BIND",
            "SHARDLANE_LIMITS_CLIENT_MAX",
            "SHARDLANE_BINDS",
            "SHARDLANE_SERVICE_HOST",
            "SHARDLANE_SERVICE_PORT_CQL",
            "SHARDLANE_PORT",
            "SHARDLANE_METRICS_PORT",
            "SHARDLANE_PORT_9042_TCP",
            "SHARDLANE_PORT_9042_TCP_ADDR",
            "SHARDLANE_PORT_9042_TCP_PORT",
        ];
        let names = names.map(str::to_owned).to_vec();
        let unknown = unknown_variables(names, &["bind", "limits.clients_max"]);
        assert_eq!(unknown, ["SHARDLANE_BINDS", "SHARDLANE_LIMITS_CLIENT_MAX"]);
    }
}
