//! What a metric is: a name, a kind, words, and labels.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MetricKind {
    /// Only grows.
    Counter,
    /// Comes and goes.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// One metric.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Metric {
    /// Name on the page.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// What it counts.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// A metric that only grows.
#[must_use]
pub(crate) const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Counter, help, labels }
}

/// A metric that comes and goes.
#[must_use]
pub(crate) const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: MetricKind::Gauge, help, labels }
}

/// A metric that counts by size; it has no labels.
#[must_use]
pub(crate) const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Histogram, help, labels: &[] }
}
