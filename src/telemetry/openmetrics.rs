//! OpenMetrics 1.0, for scrapers that ask for it: the same families and series as in the text format.

use std::fmt::Write;

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// A form in which metrics are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// The text format of Prometheus, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The content type, as scrapers expect it to the letter: some refuse a charset, or a version they don't know.
    #[must_use]
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a request's Accept header asks for. OpenMetrics must be named: `*/*` gets the text format.
    #[must_use]
    pub(crate) fn accepted(header: &str) -> Self {
        let mut best = (0.0, Self::Text);
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0, None);
            for (key, value) in parts.filter_map(|part| part.split_once('=')) {
                match key.trim() {
                    "q" => quality = value.trim().parse::<f64>().unwrap_or(0.0),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            let format = match (name.as_str(), version) {
                ("application/openmetrics-text", None | Some("1.0.0")) => Self::OpenMetrics,
                ("text/plain" | "text/*", _) => Self::Text,
                _ => continue,
            };
            if quality > best.0 {
                best = (quality, format);
            }
        }
        best.1
    }
}

/// The page of these families.
#[must_use]
pub(crate) fn encode(families: &[MetricFamily]) -> String {
    let mut page = String::new();
    for family in families {
        let kind = family.get_field_type();
        // A counter's family has the name without the suffix, its samples have it.
        let name = match kind {
            MetricType::COUNTER => {
                family.name().strip_suffix("_total").unwrap_or_else(|| family.name())
            }
            MetricType::GAUGE
            | MetricType::SUMMARY
            | MetricType::UNTYPED
            | MetricType::HISTOGRAM => family.name(),
        };
        let word = match kind {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            MetricType::SUMMARY => "summary",
            MetricType::UNTYPED => "unknown",
        };
        // Writing into a string cannot fail.
        writeln!(page, "# TYPE {name} {word}").ok();
        writeln!(page, "# HELP {name} {}", escaped(family.help())).ok();
        for metric in family.get_metric() {
            add(&mut page, name, kind, metric);
        }
    }
    page.push_str("# EOF\n");
    page
}

fn add(page: &mut String, name: &str, kind: MetricType, metric: &Metric) {
    let mut sample = |suffix: &str, le: Option<&str>, value: f64| {
        page.push_str(name);
        page.push_str(suffix);
        let labels = metric.get_label().iter().map(|pair| (pair.name(), pair.value()));
        let labels = labels.chain(le.map(|le| ("le", le)));
        let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        if !labels.is_empty() {
            write!(page, "{{{labels}}}").ok();
        }
        writeln!(page, " {value}").ok();
    };
    match kind {
        MetricType::COUNTER => sample("_total", None, metric.get_counter().get_value()),
        MetricType::GAUGE => sample("", None, metric.get_gauge().get_value()),
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            let count = histogram.get_sample_count() as f64;
            for bucket in histogram.get_bucket() {
                let le = bucket.upper_bound().to_string();
                sample("_bucket", Some(&le), bucket.cumulative_count() as f64);
            }
            sample("_bucket", Some("+Inf"), count);
            sample("_count", None, count);
            sample("_sum", None, histogram.get_sample_sum());
        }
        // We make none, and neither does the collector of the process.
        MetricType::SUMMARY | MetricType::UNTYPED => {}
    }
}

/// A text with an escape for each character that would end it or mean something else.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use prometheus::proto;

    use super::*;

    #[test]
    fn openmetrics_is_sent_to_those_who_ask_for_it() {
        for (header, wanted) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Format::Text),
            // Prometheus 2.42, and 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", Format::Text),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.9", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("Application/OpenMetrics-Text; version=\"1.0.0\"; q=many", Format::Text),
        ] {
            assert_eq!(Format::accepted(header), wanted, "{header}");
        }
    }

    #[test]
    fn names_values_and_texts_have_the_form_of_openmetrics() {
        let family = |name: &str, help: &str, kind, metric| {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            family.set_metric(vec![metric]);
            family
        };
        let mut counter = proto::Counter::default();
        counter.set_value(7.0);
        let mut pair = proto::LabelPair::default();
        pair.set_name("table".to_owned());
        pair.set_value("a\"b\\c\nd".to_owned());
        let mut counted = Metric::from_label(vec![pair]);
        counted.set_counter(counter);
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(0.000_064);
        bucket.set_cumulative_count(2);
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(vec![bucket]);
        histogram.set_sample_count(3);
        histogram.set_sample_sum(1.5);
        let mut timed = Metric::default();
        timed.set_histogram(histogram);
        let page = encode(&[
            family("x_total", "Counts \"x\".", MetricType::COUNTER, counted),
            family("y_seconds", "Times.", MetricType::HISTOGRAM, timed),
        ]);
        let wanted = r#"# TYPE x counter
# HELP x Counts \"x\".
x_total{table="a\"b\\c\nd"} 7
# TYPE y_seconds histogram
# HELP y_seconds Times.
y_seconds_bucket{le="0.000064"} 2
y_seconds_bucket{le="+Inf"} 3
y_seconds_count 3
y_seconds_sum 1.5
# EOF
"#;
        assert_eq!(page, wanted);
    }
}
