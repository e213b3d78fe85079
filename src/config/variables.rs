//! The environment: variables that set something, and those that look as if they did.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use crate::config::setting::Setting;
use crate::config::suggest;
use crate::config::table;

/// Names the configuration file.
pub(crate) const CONFIG_VARIABLE: &str = "SHARDLANE_CONFIG";

/// How the name of a variable of ours begins, in small letters and without underscores.
const PREFIX: &str = "shardlane";

/// The value of a variable in the process's own environment.
#[must_use]
pub(crate) fn process_environment(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The names of the process's own variables, without those that Kubernetes sets.
#[must_use]
pub(crate) fn process_variables() -> Vec<String> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let all = env::vars_os().map(|(name, value)| (text(name), text(value)));
    all.filter(|(name, value)| !is_service_link(name, value)).map(|(name, _)| name).collect()
}

/// Whether Kubernetes sets a variable in each pod, to announce a Service: `X_SERVICE_HOST`,
/// `X_SERVICE_PORT_NAME`, and Docker's form, `X_PORT=tcp://10.0.0.1:9042`, `X_PORT_9042_TCP_ADDR`.
/// If the Service is called `shardlane…`, they look like settings, and are no mistake.
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

/// A variable that looks like a setting and is none: misspelt, most likely.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The variable that it resembles, if there is one.
    pub suggestion: Option<String>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is set, but there is no such setting", self.name)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

/// Of the environment's `names`, those that look like settings of ours and are none.
#[must_use]
pub(crate) fn unknown(mut names: Vec<String>) -> Vec<UnknownVariable> {
    let known: Vec<_> = table::all().map(Setting::variable).collect();
    names.retain(|name| {
        let is_ours = name.to_lowercase().replace('_', "").starts_with(PREFIX);
        is_ours && name != CONFIG_VARIABLE && !known.contains(name)
    });
    names.sort();
    let unknown = |name: String| UnknownVariable { suggestion: suggest::variable(&name), name };
    names.into_iter().map(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_shown_with_the_one_that_it_resembles() {
        let names = [
            "PATH",
            "SHARDLANE_CONFIG",
            "SHARDLANE_BIND",
            "SHARDLANE_LIMITS_CLIENT_MAX",
            "SHARDLANE_BINDS",
            "SHARD_LANE_BIND",
            "shardlane_bind",
            "SHARDLANE_TYPO",
            "SHARDLANE_WORKRES",
        ];
        let unknown = unknown(names.map(str::to_owned).to_vec());
        let shown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
        let expected = [
            ("SHARDLANE_BINDS", "; did you mean SHARDLANE_BIND?"),
            ("SHARDLANE_LIMITS_CLIENT_MAX", "; did you mean SHARDLANE_LIMITS_CLIENTS_MAX?"),
            ("SHARDLANE_TYPO", ""),
            ("SHARDLANE_WORKRES", "; did you mean SHARDLANE_WORKERS?"),
            ("SHARD_LANE_BIND", "; did you mean SHARDLANE_BIND?"),
            ("shardlane_bind", "; did you mean SHARDLANE_BIND?"),
        ];
        let expected = expected.map(|(name, suggestion)| {
            format!("{name} is set, but there is no such setting{suggestion}")
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn variables_that_kubernetes_sets_for_services_are_no_mistake() {
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
