//! Metric families: one metric with all of its samples, in the form that the encoder takes.

use prometheus::TextEncoder;
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

use crate::collections::histogram::Histogram;
use crate::telemetry::metric::{Metric, MetricKind};
use crate::telemetry::openmetrics::{self, Format};

/// Bounds of a histogram's buckets: powers of two, at which our own histogram is exact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buckets {
    /// The first bound is 2 to this, µs.
    pub first_bits: u32,
    /// The last bound is 2 to this, µs.
    pub last_bits: u32,
}

/// Families in the order of the page.
#[derive(Debug, Default)]
pub(crate) struct Families(Vec<MetricFamily>);

impl Families {
    /// Adds a metric without labels.
    pub(crate) fn number(&mut self, metric: &Metric, value: u64) {
        self.numbers(metric, [(Vec::new(), value)]);
    }

    /// Adds a metric with a sample for each set of label values. Without samples there is nothing to
    /// add: a family without any breaks the page.
    pub(crate) fn numbers(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = (Vec<String>, u64)>,
    ) {
        let samples = samples.into_iter().map(|(values, number)| {
            let mut sample = proto::Metric::from_label(label_pairs(metric, values));
            match metric.kind {
                MetricKind::Counter => {
                    let mut counter = proto::Counter::default();
                    counter.set_value(number as f64);
                    sample.set_counter(counter);
                }
                MetricKind::Gauge => {
                    let mut gauge = proto::Gauge::default();
                    gauge.set_value(number as f64);
                    sample.set_gauge(gauge);
                }
                MetricKind::Histogram => debug_assert!(false, "{} is not a number", metric.name),
            }
            sample
        });
        let samples = samples.collect::<Vec<_>>();
        if !samples.is_empty() {
            self.add(metric, samples);
        }
    }

    /// Adds a histogram of microseconds, exported in seconds.
    pub(crate) fn durations(&mut self, metric: &Metric, histogram: &Histogram, buckets: Buckets) {
        debug_assert_eq!(metric.kind, MetricKind::Histogram, "{}", metric.name);
        let bounds = (buckets.first_bits..=buckets.last_bits).map(|bits| 1_u64 << bits);
        let buckets = bounds.map(|bound| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(seconds(bound));
            bucket.set_cumulative_count(histogram.count_below(bound));
            bucket
        });
        let mut exported = proto::Histogram::default();
        exported.set_bucket(buckets.collect());
        exported.set_sample_count(histogram.count());
        exported.set_sample_sum(seconds(histogram.sum()));
        let mut sample = proto::Metric::default();
        sample.set_histogram(exported);
        self.add(metric, vec![sample]);
    }

    /// Adds families that others made.
    pub(crate) fn extend(&mut self, families: Vec<MetricFamily>) {
        self.0.extend(families);
    }

    /// The page in a format.
    pub(crate) fn encode(&self, format: Format) -> Result<String, String> {
        match format {
            Format::Text => {
                TextEncoder::new().encode_to_string(&self.0).map_err(|error| error.to_string())
            }
            Format::OpenMetrics => Ok(openmetrics::encode(&self.0)),
        }
    }

    fn add(&mut self, metric: &Metric, samples: Vec<proto::Metric>) {
        let mut family = MetricFamily::default();
        family.set_name(metric.name.to_owned());
        family.set_help(metric.help.to_owned());
        family.set_field_type(match metric.kind {
            MetricKind::Counter => MetricType::COUNTER,
            MetricKind::Gauge => MetricType::GAUGE,
            MetricKind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(samples);
        self.0.push(family);
    }
}

fn label_pairs(metric: &Metric, values: Vec<String>) -> Vec<LabelPair> {
    debug_assert_eq!(metric.labels.len(), values.len(), "labels of {}", metric.name);
    let pair = |(name, value): (&&str, String)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value);
        pair
    };
    metric.labels.iter().zip(values).map(pair).collect()
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
