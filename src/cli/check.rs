//! `shardlane check`: every fault, or else every setting and where it comes from.

use std::io::{self, Write};

use anyhow::Context;

use crate::cli::args::SettingsArgs;
use crate::config::error::Faults;
use crate::config::load;
use crate::config::origin::Environment;
use crate::config::reader::SettingEntry;
use crate::config::variables;

/// Fails with all faults, or else prints the settings to `out`: a list of them would hide the faults. `variables` are all
/// names of the environment, to find misspelt ones. It reads files, and uses no network.
pub(crate) fn check(
    args: &SettingsArgs,
    environment: Environment<'_>,
    variables: Vec<String>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let loaded = load::load(args.by_key.clone(), args.config.clone(), environment);
    let unknown = variables::unknown(variables);
    let mut doubts: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    doubts.extend(loaded.doubts.iter().map(ToString::to_string));
    if loaded.faults.is_empty() {
        print(&loaded.entries, &doubts, out).context("cannot print the settings")
    } else {
        Err(Faults { faults: loaded.faults, doubts }.into())
    }
}

fn print(entries: &[SettingEntry], doubts: &[String], out: &mut dyn Write) -> io::Result<()> {
    let shown = |entry: &SettingEntry| match entry.value.as_str() {
        "" => "-".to_owned(),
        value => value.to_owned(),
    };
    let key_width = entries.iter().map(|entry| entry.key.len()).max().unwrap_or(0);
    let value_width = entries.iter().map(|entry| shown(entry).len()).max().unwrap_or(0).min(40);
    for entry in entries {
        let (key, value) = (entry.key, shown(entry));
        writeln!(out, "{key:key_width$}  {value:value_width$}  {}", entry.origin)?;
    }
    for doubt in doubts {
        writeln!(out, "{doubt}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn run(contact_points: Option<&str>, workers: &str) -> (String, anyhow::Result<()>) {
        let mut by_key = BTreeMap::from([("workers", workers.to_owned())]);
        by_key.extend(contact_points.map(|points| ("contact_points", points.to_owned())));
        let args = SettingsArgs { by_key, config: None };
        let environment = |name: &str| (name == "SHARDLANE_LOG_FORMAT").then(|| "json".to_owned());
        let mut out = Vec::new();
        let variables = vec!["SHARDLANE_WORKER".to_owned()];
        let result = check(&args, &environment, variables, &mut out);
        (String::from_utf8(out).unwrap(), result)
    }

    #[test]
    fn each_setting_is_printed_with_its_source() {
        let (out, result) = run(Some("10.0.0.1,10.0.0.2"), "2");
        assert!(result.is_ok());
        let line = |key: &str| {
            let line = out.lines().find(|line| line.split_whitespace().next() == Some(key));
            line.unwrap().split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("contact_points"), "10.0.0.1,10.0.0.2 flag --contact-points");
        assert_eq!(line("workers"), "2 flag --workers");
        assert_eq!(line("log.format"), "json environment SHARDLANE_LOG_FORMAT");
        assert_eq!(line("limits.clients_max"), "10000 default");
        assert_eq!(line("rack"), "- default");
        let doubt = "is set, but there is no such setting; did you mean SHARDLANE_WORKERS?";
        assert_eq!(line("SHARDLANE_WORKER"), doubt);
    }

    #[test]
    fn faults_are_reported_without_the_settings_and_before_a_misspelt_variable() {
        let (out, result) = run(None, "0");
        let error = result.unwrap_err();
        assert_eq!(out, "", "the settings hide the faults");
        assert_eq!(error.downcast_ref::<Faults>().unwrap().faults.len(), 2);
        let report = error.to_string();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines[0], "2 faults in the configuration");
        assert!(lines[1].starts_with("  - workers = \"0\" (flag --workers): "), "{report}");
        assert!(lines[2].starts_with("  - contact_points is not set; "), "{report}");
        assert_eq!(lines[3], "and what may be a mistake");
        assert!(lines[4].starts_with("  - SHARDLANE_WORKER is set, but"), "{report}");
    }
}
