//! The rows of the console's tables, put together from what all workers look like inside.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::collections::latency_sample::LatencySample;
use crate::config::reader::SettingEntry;
use crate::engine::view::inspection::{ByReason, Inspection, LaneView, StatementView, TableView};
use crate::engine::view::tally::Feedback;
use crate::facade::text::lexer::WordLexer;
use crate::routing::decision::Reason;
use crate::routing::statement::Statement;
use crate::routing::tables::table_routes::FoundBy;
use crate::telemetry::recent::LogLine;
use crate::telemetry::report::NodeDials;
use crate::topology::id::NodeId;
use crate::topology::snapshot::Snapshot;

/// Longest text of a statement that is shown, characters.
const TEXT_CHARS_MAX: usize = 1_000;

/// What the process looks like: every worker, and what is known apart from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Each worker, by its number.
    pub workers: Vec<Inspection>,
    /// The cluster.
    pub snapshot: Arc<Snapshot>,
    /// What happened when nodes were dialled.
    pub dials: Vec<NodeDials>,
    /// Settings, with where they come from.
    pub settings: Vec<SettingEntry>,
    /// Lines of the log, the newest first.
    pub lines: Vec<LogLine>,
    /// The time, µs since 1970.
    pub unix_us: i64,
}

/// A table, as all workers together know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableSum {
    /// Whether the schema has it, as far as a worker knows.
    pub is_present: bool,
    /// How its replicas are found.
    pub found_by: FoundBy,
    /// Tablets that the worker knows which knows most of them.
    pub tablets: usize,
    /// Decisions about its requests.
    pub requests: ByReason,
    /// What the server said of them.
    pub feedback: Feedback,
}

/// A statement, as all workers together know it.
#[derive(Clone, Debug)]
pub(crate) struct StatementSum {
    /// The statement.
    pub statement: Arc<Statement>,
    /// How often it was executed.
    pub requests: u64,
    /// How often a node answered it with a result.
    pub answered: u64,
    /// How long these requests waited all together, µs.
    pub waited_us: u64,
    /// How long some of them waited.
    pub sample: LatencySample,
    /// How its table's replicas are found; `None` without a table.
    pub found_by: Option<FoundBy>,
}

impl TableSum {
    /// Requests about it.
    #[must_use]
    pub(crate) fn total(&self) -> u64 {
        self.requests.iter().sum()
    }

    /// Of those, the ones that went to a replica's shard as far as is known here.
    #[must_use]
    pub(crate) fn routed(&self) -> u64 {
        let all = Reason::ALL.into_iter().zip(self.requests);
        all.filter(|(reason, _)| reason.is_routed()).map(|(_, count)| count).sum()
    }

    /// Hits and misses of prepared statements and of texts together.
    #[must_use]
    pub(crate) fn judgement(&self) -> (u64, u64) {
        let it = self.feedback;
        (it.hits + it.text_hits, it.misses + it.text_misses)
    }

    /// What the server said of its requests, hits and misses; `None` of a table without tablets, of which
    /// it says nothing.
    #[must_use]
    pub(crate) fn judged(&self) -> Option<(u64, u64)> {
        let is_judged = self.found_by == FoundBy::Tablets || self.feedback != Feedback::default();
        is_judged.then(|| self.judgement())
    }

    /// Hits among what the server judged, percent; `None` before the first.
    #[must_use]
    pub(crate) fn hit_percent(&self) -> Option<f64> {
        let (hits, misses) = self.judgement();
        (hits + misses > 0).then(|| 100.0 * hits as f64 / (hits + misses) as f64)
    }
}

impl StatementSum {
    /// How its requests find their shard, and what would help where they do not.
    #[must_use]
    pub(crate) fn route(&self) -> (&'static str, Option<&'static str>) {
        match self.found_by {
            None => ("none", Reason::NoKey.hint()),
            Some(_) if self.statement.pk_indexes.is_empty() => ("none", Reason::NoKey.hint()),
            Some(FoundBy::Unknown) => ("none", Reason::UnknownKeyspace.hint()),
            Some(found_by @ (FoundBy::Tablets | FoundBy::Ring | FoundBy::EachNode)) => {
                (found_by.name(), None)
            }
        }
    }

    /// Mean time to its answer, µs; `None` before the first.
    #[must_use]
    pub(crate) fn mean_us(&self) -> Option<u64> {
        self.waited_us.checked_div(self.answered)
    }

    /// Its text without values, cut to what can be read.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let text = WordLexer::without_literals(&self.statement.text);
        text.chars().take(TEXT_CHARS_MAX).collect()
    }
}

impl View {
    /// Tables by keyspace and name, also those that were dropped: what was counted stays counted.
    #[must_use]
    pub(crate) fn table_sums(&self) -> BTreeMap<(&str, &str), TableSum> {
        let mut sums = BTreeMap::new();
        for view in self.workers.iter().flat_map(|worker| &worker.tables) {
            let TableView { keyspace, table, is_present, found_by, tablets, requests, feedback } =
                view;
            let sum = sums.entry((&**keyspace, &**table)).or_insert_with(|| TableSum {
                is_present: false,
                found_by: *found_by,
                tablets: 0,
                requests: ByReason::default(),
                feedback: Feedback::default(),
            });
            sum.is_present |= is_present;
            sum.tablets = sum.tablets.max(*tablets);
            for (sum, count) in sum.requests.iter_mut().zip(requests) {
                *sum += count;
            }
            sum.feedback.add(*feedback);
        }
        sums
    }

    /// Decisions about requests whose table is not known.
    #[must_use]
    pub(crate) fn without_table(&self) -> ByReason {
        let mut sums = ByReason::default();
        for worker in &self.workers {
            for (sum, count) in sums.iter_mut().zip(worker.without_table) {
                *sum += count;
            }
        }
        sums
    }

    /// Statements, the most often executed first.
    #[must_use]
    pub(crate) fn statement_sums(&self) -> Vec<StatementSum> {
        let mut sums: BTreeMap<&[u8], StatementSum> = BTreeMap::new();
        for view in self.workers.iter().flat_map(|worker| &worker.statements) {
            let StatementView { statement, requests, answered, waited_us, sample, found_by } = view;
            let sum = sums.entry(&statement.id).or_insert_with(|| StatementSum {
                statement: Arc::clone(statement),
                requests: 0,
                answered: 0,
                waited_us: 0,
                sample: LatencySample::default(),
                found_by: *found_by,
            });
            sum.requests += requests;
            sum.answered += answered;
            sum.waited_us += waited_us;
            sum.sample.merge(sample);
            sum.found_by = sum.found_by.or(*found_by);
        }
        let mut sums: Vec<StatementSum> = sums.into_values().collect();
        sums.sort_by_key(|sum| Reverse(sum.requests));
        sums
    }

    /// All lanes, with the numbers of their workers.
    pub(crate) fn all_lanes(&self) -> impl Iterator<Item = (usize, &Inspection, &LaneView)> {
        let workers = self.workers.iter().enumerate();
        workers.flat_map(|(number, worker)| {
            worker.lanes.iter().map(move |lane| (number, worker, lane))
        })
    }

    /// How many shards a node has, or had when its last lane was lost; `None` before its first lane.
    #[must_use]
    pub(crate) fn shards_of(&self, node: NodeId) -> Option<u16> {
        let mut shards = self.workers.iter().flat_map(|worker| &worker.shards);
        shards.find(|(of, _)| *of == node).map(|(_, shards)| *shards)
    }

    /// When something was at `at_us` of a worker, milliseconds since 1970.
    #[must_use]
    pub(crate) fn unix_ms(&self, worker: &Inspection, at_us: u64) -> i64 {
        let age_us = worker.now_us.saturating_sub(at_us);
        (self.unix_us - i64::try_from(age_us).unwrap_or(i64::MAX)) / 1_000
    }
}

pub(super) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
