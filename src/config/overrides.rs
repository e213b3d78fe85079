//! Who set what: flag over environment over file over default.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
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

/// The names of the process's own variables, but for those that Kubernetes sets.
#[must_use]
pub fn process_variables() -> Vec<String> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let all = env::vars_os().map(|(name, value)| (text(name), text(value)));
    all.filter(|(name, value)| !is_service_link(name, value)).map(|(name, _)| name).collect()
}

/// Whether Kubernetes sets a variable in each pod, to tell of a Service: `X_SERVICE_HOST`,
/// `X_SERVICE_PORT_NAME`, and Docker's form, `X_PORT=tcp://10.0.0.1:9042`, `X_PORT_9042_TCP_ADDR`.
/// Of a Service called `shardlane…` they look like settings, and are nobody's mistake.
fn is_service_link(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") {
        return value.parse::<IpAddr>().is_ok();
    }
    if name.contains("_SERVICE_PORT") {
        return value.parse::<u16>().is_ok();
    }
    let Some((_, rest)) = name.split_once("_PORT") else { return false };
    let number = rest.trim_start_matches('_').split('_').next().unwrap_or_default();
    let is_numbered = rest.starts_with('_') && number.parse::<u16>().is_ok();
    (rest.is_empty() && value.contains("://")) || is_numbered
}

/// Of `names`, those that look like settings of ours and are none of `keys`: misspelt, most likely.
/// Each with the setting that it resembles, if there is one.
#[must_use]
pub fn unknown_variables(names: Vec<String>, keys: &[&str]) -> Vec<Unknown> {
    let known = keys.iter().map(|key| variable(key)).collect::<Vec<_>>();
    let prefix = bare(ENVIRONMENT_PREFIX);
    let is_unknown = |name: &String| {
        bare(name).starts_with(&prefix) && name != CONFIG_VARIABLE && !known.contains(name)
    };
    let mut unknown: Vec<_> = names.into_iter().filter(is_unknown).collect();
    unknown.sort();
    let resembled = |name: &str| {
        let others = known.iter().map(|other| (slips(&bare(name), &bare(other)), other));
        let (count, nearest) = others.min()?;
        (count <= SLIPS_MAX).then(|| nearest.clone())
    };
    unknown.into_iter().map(|name| Unknown { meant: resembled(&name), name }).collect()
}

/// More slips of the pen than these make another word.
const SLIPS_MAX: usize = 3;

/// A variable that looks like a setting and is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unknown {
    /// Its name.
    pub name: String,
    /// The variable that was meant, perhaps.
    pub meant: Option<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is set, but there is no such setting", self.name)?;
        match &self.meant {
            Some(meant) => write!(f, "; is {meant} meant?"),
            None => Ok(()),
        }
    }
}

/// A name without what is easily got wrong: case, and where words end.
fn bare(name: &str) -> String {
    name.to_uppercase().replace('_', "")
}

/// How many letters have to be changed, added or taken away to make `one` of `other`.
fn slips(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.bytes().enumerate() {
        let mut next = vec![number + 1];
        for (pair, against) in row.windows(2).zip(other.bytes()) {
            let (&[before, above], Some(&left)) = (pair, next.last()) else { continue };
            next.push((before + usize::from(letter != against)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
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
    fn a_misspelt_variable_is_told_with_the_one_that_it_resembles() {
        let names = [
            "PATH",
            "SHARDLANE_CONFIG",
            "SHARDLANE_BIND",
            "SHARDLANE_LIMITS_CLIENT_MAX",
            "SHARDLANE_BINDS",
            "SHARD_LANE_BIND",
            "shardlane_bind",
            "SHARDLANE_TYPO",
        ];
        let unknown =
            unknown_variables(names.map(str::to_owned).to_vec(), &["bind", "limits.clients_max"]);
        let told: Vec<_> = unknown.iter().map(ToString::to_string).collect();
        let expected = [
            ("SHARDLANE_BINDS", "; is SHARDLANE_BIND meant?"),
            ("SHARDLANE_LIMITS_CLIENT_MAX", "; is SHARDLANE_LIMITS_CLIENTS_MAX meant?"),
            ("SHARDLANE_TYPO", ""),
            ("SHARD_LANE_BIND", "; is SHARDLANE_BIND meant?"),
            ("shardlane_bind", "; is SHARDLANE_BIND meant?"),
        ];
        let expected = expected
            .map(|(name, meant)| format!("{name} is set, but there is no such setting{meant}"));
        assert_eq!(told, expected);
    }

    #[test]
    fn what_kubernetes_tells_of_services_is_no_mistake() {
        let links = [
            ("SHARDLANE_SERVICE_HOST", "10.0.0.1"),
            ("SHARDLANE_SERVICE_PORT", "9042"),
            ("SHARDLANE_SERVICE_PORT_CQL", "9042"),
            ("SHARDLANE_PORT", "tcp://10.0.0.1:9042"),
            ("SHARDLANE_METRICS_PORT", "tcp://10.0.0.1:9380"),
            ("SHARDLANE_PORT_9042_TCP", "tcp://10.0.0.1:9042"),
            ("SHARDLANE_PORT_9042_TCP_ADDR", "10.0.0.1"),
            ("SHARDLANE_PORT_9042_TCP_PORT", "9042"),
            ("SHARDLANE_PORT_9042_TCP_PROTO", "tcp"),
            ("SHARDLANE_EXPORT_SERVICE_HOST", "fd00::1"),
        ];
        for (name, value) in links {
            assert!(is_service_link(name, value), "{name}");
        }
        let slips = [
            ("SHARDLANE_ADMIN_PORT", "9380"),
            ("SHARDLANE_LANES_PROXY_PORT", "29042"),
            ("SHARDLANE_LANES_SOURCE_PORT_LO", "49152"),
            ("SHARDLANE_SERVICE_HOST", "db.example.com"),
            ("SHARDLANE_TYPO", "1"),
        ];
        for (name, value) in slips {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
