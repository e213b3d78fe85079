//! Names that keep the rules, and their page.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::telemetry::metric::{Kind, Metric};
use crate::telemetry::page_order::ALL;

fn page() -> String {
    let mut text = "# Metrics

Written by a test from `src/telemetry/names.rs`; a stale page fails it (`SHARDLANE_GOLDEN=write` writes
it anew). Besides these there are the usual `process_*`.

| Name | Kind | Labels | What it counts |
| --- | --- | --- | --- |
"
    .to_owned();
    for metric in ALL {
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        let labels = labels.collect::<Vec<_>>().join(", ");
        let kind = format!("{:?}", metric.kind).to_lowercase();
        writeln!(text, "| `{}` | {kind} | {labels} | {} |", metric.name, metric.help).unwrap();
    }
    text
}

#[test]
fn the_documentation_is_not_stale() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if env::var_os("SHARDLANE_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, page(), "SHARDLANE_GOLDEN=write writes it anew");
}

#[test]
fn names_are_unique_and_follow_the_conventions() {
    for (index, metric) in ALL.iter().enumerate() {
        let Metric { name, kind, help, .. } = metric;
        assert!(ALL.iter().skip(index + 1).all(|other| other.name != *name), "{name} twice");
        assert!(name.starts_with("shardlane_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
        assert!(help.ends_with('.') && !help.contains('|'), "{name}");
    }
}
