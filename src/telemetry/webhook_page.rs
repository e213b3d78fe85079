//! The metrics page of the admission webhook.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;

use crate::collections::histogram::Histogram;
use crate::telemetry::exporter::add_rotations;
use crate::telemetry::family::{Buckets, Families};
use crate::telemetry::names;
use crate::telemetry::names::webhook;
use crate::telemetry::openmetrics::Format;
use crate::telemetry::report::RotationReport;

/// 64 µs to 17 s: the API server waits for 30 s at most.
const REVIEW_BUCKETS: Buckets = Buckets { first_bits: 6, last_bits: 24 };

/// The numbers of a webhook.
#[derive(Clone, Debug)]
pub(crate) struct WebhookReport {
    /// Questions by outcome.
    pub reviews: Vec<(&'static str, u64)>,
    /// How long they took, µs.
    pub durations: Histogram,
    /// Connections by result.
    pub handshakes: Vec<(&'static str, u64)>,
    /// Its certificate.
    pub rotation: RotationReport,
    /// Log lines that were lost.
    pub log_lines_lost: u64,
}

/// Renders the page.
pub(crate) fn render(report: &WebhookReport, format: Format) -> Result<String, String> {
    let mut families = Families::default();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    families.numbers(&names::BUILD_INFO, [(vec![version], 1)]);
    let labelled = |(label, count): &(&str, u64)| (vec![(*label).to_owned()], *count);
    families.numbers(&webhook::REVIEWS, report.reviews.iter().map(labelled));
    families.durations(&webhook::REVIEW_DURATION, &report.durations, REVIEW_BUCKETS);
    families.numbers(&webhook::HANDSHAKES, report.handshakes.iter().map(labelled));
    add_rotations(&mut families, std::slice::from_ref(&report.rotation));
    families.number(&names::LOG_LINES_LOST, report.log_lines_lost);
    families.extend(ProcessCollector::for_self().collect());
    families.encode(format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names::webhook::OF_WEBHOOK;

    #[test]
    fn every_metric_of_the_webhook_is_on_its_page_once_and_no_other() {
        let mut durations = Histogram::default();
        durations.record(100);
        let rotation =
            RotationReport { side: "webhook", loads: 0, failures: 0, expires_s: Some(7) };
        let report = WebhookReport {
            reviews: vec![("injected", 1), ("failed", 0)],
            durations,
            handshakes: vec![("done", 1)],
            rotation,
            log_lines_lost: 0,
        };
        let page = render(&report, Format::Text).unwrap();
        let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let names = families.filter_map(|line| line.split_whitespace().next());
        let ours: Vec<_> = names.filter(|name| name.starts_with("shardlane_")).collect();
        assert_eq!(ours, OF_WEBHOOK.iter().map(|metric| metric.name).collect::<Vec<_>>());
        for line in [
            "shardlane_webhook_reviews_total{outcome=\"injected\"} 1",
            "shardlane_webhook_reviews_total{outcome=\"failed\"} 0",
            "shardlane_webhook_review_duration_seconds_bucket{le=\"0.000128\"} 1",
            "shardlane_tls_certificate_expiry_timestamp_seconds{side=\"webhook\"} 7",
        ] {
            assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
        }
    }
}
