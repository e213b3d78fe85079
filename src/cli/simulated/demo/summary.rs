//! The numbers at the end: a page for people, a line of JSON for programs.

use std::fs;
use std::io::{self, Write};
use std::sync::atomic::Ordering;

use anyhow::bail;
use serde::Serialize;

use crate::cli::simulated::demo::comparison::Comparison;
use crate::cli::simulated::demo::load::{Counters, LoadReport};
use crate::cli::simulated::demo::sample::{Window, percent};
use crate::engine::view::gauges::Gauges;
use crate::engine::view::tally::Tally;
use crate::routing::decision::Reason;

/// The median, and the 99th percentile, of 1000.
const QUANTILES: (u64, u64) = (500, 990);

/// What is printed for programs. The names are a promise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// Requests of the load that were answered.
    pub requests: u64,
    /// Requests that arrived at another shard than that of their row, as the nodes counted.
    pub misses: u64,
    /// Share of requests without a miss in the last seconds, 0 to 1.
    pub hit_rate_last: f64,
    /// Misses of a table that was new to the proxy, whose tablets were read when it was first named.
    pub cold_misses_read_ahead: u64,
    /// Misses of such a table whose tablets were learned by requests alone.
    pub cold_misses_learned: u64,
    /// Share of requests by text, with constant keys, that arrived at the shard of their row, 0 to
    /// 1, with `text.mode = "route"`.
    pub text_hit_rate_route: f64,
    /// That share with `text.mode = "off"`.
    pub text_hit_rate_off: f64,
    /// Tablets whose replicas the proxy knows.
    pub tablets_learned: u64,
    /// Open lanes.
    pub lanes: u64,
    /// Latency that the proxy adds, µs: the median of pairs.
    pub added_p50_us: u64,
    /// Latency that the proxy adds, µs: the 99th percentile of pairs.
    pub added_p99_us: u64,
    /// Resident memory of the process, the simulated cluster included; absent where the system
    /// does not say.
    pub rss_mib: Option<u64>,
    #[serde(skip)]
    rest: Rest,
}

/// What is printed for people alone, and what decides the verdict.
#[derive(Clone, Debug, Default)]
struct Rest {
    wrong: u64,
    refused: u64,
    unanswered: u64,
    hits: u64,
    hits_lately: (u64, u64),
    last_us: u64,
    tablets: u64,
    shards: u64,
    moved: usize,
    routing: Vec<(&'static str, u64)>,
    comparison: Comparison,
    probes: (u64, u64),
    own_us: (u64, u64),
    faults: Vec<String>,
}

/// Everything that the summary is made of.
#[derive(Debug)]
pub(crate) struct SummaryInput<'a> {
    /// The last seconds, as the nodes counted.
    pub window: &'a Window,
    /// How long those last seconds are, µs.
    pub last_us: u64,
    /// What the load counted.
    pub counters: &'a Counters,
    /// What else came of the load.
    pub report: &'a LoadReport,
    /// The proxy's numbers.
    pub proxy: &'a (Tally, Gauges),
    /// Shards of all nodes.
    pub shards: u64,
    /// Tablets that were moved.
    pub moved: usize,
    /// The same requests with settings on and off.
    pub comparison: Comparison,
}

impl Summary {
    /// Sums up.
    #[must_use]
    pub(crate) fn new(findings: &SummaryInput<'_>) -> Self {
        let (tally, gauges) = findings.proxy;
        let last = findings.window.last();
        let (hits, requests) = findings.window.lately(findings.last_us);
        let (counters, comparison) = (findings.counters, findings.comparison);
        let probe = &findings.report.probe;
        let (p50, p99) = QUANTILES;
        let reasons = Reason::ALL.iter().zip(tally.routing);
        let mut routing: Vec<_> = reasons.map(|(reason, count)| (reason.label(), count)).collect();
        routing.retain(|(_, count)| *count > 0);
        routing.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rest = Rest {
            wrong: counters.wrong.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            unanswered: counters.unanswered.load(Ordering::Relaxed),
            hits: last.hits,
            hits_lately: (hits, requests),
            last_us: findings.last_us,
            tablets: last.tablets,
            shards: findings.shards,
            moved: findings.moved,
            routing,
            comparison,
            probes: (probe.direct.count(), probe.direct.quantile(p50)),
            own_us: (tally.own_time.quantile(p50), tally.own_time.quantile(p99)),
            faults: findings.report.faults.clone(),
        };
        Self {
            requests: counters.answered.load(Ordering::Relaxed),
            misses: last.misses,
            hit_rate_last: share(hits, requests),
            cold_misses_read_ahead: comparison.with.cold_misses,
            cold_misses_learned: comparison.without.cold_misses,
            text_hit_rate_route: share(comparison.with.text_hits, comparison.with.texts),
            text_hit_rate_off: share(comparison.without.text_hits, comparison.without.texts),
            tablets_learned: gauges.tablets,
            lanes: gauges.lanes.values().map(|lanes| lanes.open).sum(),
            added_p50_us: probe.added.quantile(p50),
            added_p99_us: probe.added.quantile(p99),
            rss_mib: resident_mib(),
            rest,
        }
    }

    /// Prints it, as one line of JSON or as a page.
    pub(crate) fn print(&self, json: bool, out: &mut dyn Write) -> io::Result<()> {
        if json {
            return writeln!(out, "{}", serde_json::to_string(self)?);
        }
        let rest = &self.rest;
        let arrived = rest.hits + self.misses;
        let (hits, lately) = rest.hits_lately;
        writeln!(
            out,
            "\nrequests       {} answered, {} of them refused, {} read back wrong; {} unanswered\n\
             hit rate       {} of the last {}.{} s, {} of all, as the nodes counted\n\
             misses         {}: a tablet that moved, or was not read ahead, is learned by one",
            self.requests,
            rest.refused,
            rest.wrong,
            rest.unanswered,
            percent(hits, lately),
            rest.last_us / 1_000_000,
            rest.last_us / 100_000 % 10,
            percent(rest.hits, arrived),
            self.misses,
        )?;
        let routed: u64 = rest.routing.iter().map(|(_, count)| count).sum();
        for (number, (reason, count)) in rest.routing.iter().enumerate() {
            let head = if number == 0 { "routing" } else { "" };
            writeln!(out, "{head:14} {reason:18} {:>9}  {count}", percent(*count, routed))?;
        }
        rest.comparison.print(out)?;
        let per_shard = self.lanes.checked_div(rest.shards).unwrap_or(0);
        writeln!(
            out,
            "tablets        {} of {} learned; {} were moved meanwhile\n\
             lanes          {}, {per_shard} to each of {} shards\n\
             added latency  p50 {} us, p99 {} us, of {} pairs: a read through the proxy against the same\n               \
             read straight to a node (these: p50 {} us), by turns under the load\n\
             own time       p50 {} us, p99 {} us, for each turn of the proxy's loop that brought answers",
            self.tablets_learned,
            rest.tablets,
            rest.moved,
            self.lanes,
            rest.shards,
            self.added_p50_us,
            self.added_p99_us,
            rest.probes.0,
            rest.probes.1,
            rest.own_us.0,
            rest.own_us.1,
        )?;
        if let Some(mib) = self.rss_mib {
            writeln!(out, "memory         {mib} MiB resident, the simulated cluster included")?;
        }
        Ok(())
    }

    /// Fails when a row came back wrong, or a request was refused or not answered.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        let Rest { wrong, refused, unanswered, faults, .. } = &self.rest;
        if (*wrong, *refused, *unanswered) == (0, 0, 0) && faults.is_empty() {
            return Ok(());
        }
        let first = faults.first().map_or("", String::as_str);
        bail!("{wrong} rows wrong, {refused} requests refused, {unanswered} unanswered: {first}")
    }
}

/// 0 to 1; 0 of nothing.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Resident memory of this process, as Linux reports it.
fn resident_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.div_ceil(1024))
}
