//! Names that keep the rules, and their page.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::telemetry::metric::{Metric, MetricKind};
use crate::telemetry::names::page_order::ALL;
use crate::telemetry::names::webhook::OF_WEBHOOK;

fn page() -> String {
    let mut text = "# Metrics

Written by a test from `src/telemetry/names.rs`; a stale page fails it (`SHARDLANE_GOLDEN=write` writes
it anew). Besides these there are the usual `process_*`.

| Name | Kind | Labels | What it counts |
| --- | --- | --- | --- |
"
    .to_owned();
    add_rows(&mut text, ALL);
    text += "
## Of the webhook

The [admission webhook](kubernetes.md#the-webhook) is a process of its own. It serves these at `/metrics` of its HTTPS address, besides
`shardlane_build_info`, the metrics of TLS files and of the log from above, and `process_*`.

| Name | Kind | Labels | What it counts |
| --- | --- | --- | --- |
";
    add_rows(&mut text, of_webhook_alone());
    text
}

/// Metrics that no proxy has.
fn of_webhook_alone() -> impl Iterator<Item = &'static Metric> {
    OF_WEBHOOK.iter().filter(|metric| !ALL.contains(metric))
}

fn add_rows(text: &mut String, metrics: impl IntoIterator<Item = &'static Metric>) {
    for metric in metrics {
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        let labels = labels.collect::<Vec<_>>().join(", ");
        let kind = format!("{:?}", metric.kind).to_lowercase();
        writeln!(text, "| `{}` | {kind} | {labels} | {} |", metric.name, metric.help).unwrap();
    }
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
    let all: Vec<_> = ALL.iter().chain(of_webhook_alone()).collect();
    for (index, metric) in all.iter().enumerate() {
        let Metric { name, kind, help, .. } = metric;
        assert!(all.iter().skip(index + 1).all(|other| other.name != *name), "{name} twice");
        assert!(name.starts_with("shardlane_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
        assert!(*kind != MetricKind::Histogram || name.ends_with("_seconds"), "{name}");
        assert!(help.ends_with('.') && !help.contains('|'), "{name}");
    }
}
