//! The ranges that nodes reported of late: what is read of a table meanwhile is older than they are.

use std::collections::VecDeque;

use crate::topology::table::TableId;

/// Reports that are remembered. Beyond that the oldest is forgotten, and what began to be read
/// before it is not taken any more.
const HEARD_MAX: usize = 2_048;

/// How long a report is remembered: no table is read for that long.
const KEPT_MS: u64 = 300_000;

/// Ranges that nodes reported, oldest first.
#[derive(Debug, Default)]
pub(super) struct Heard {
    reports: VecDeque<Report>,
    /// A read that began before this may have missed a report.
    complete_since_ms: u64,
}

#[derive(Debug)]
struct Report {
    at_ms: u64,
    table: TableId,
    range: (i64, i64),
}

/// What nodes reported of one table since a time.
#[derive(Debug)]
pub(super) struct Since {
    /// `None` when not all of it is remembered.
    ranges: Option<Vec<(i64, i64)>>,
}

impl Heard {
    pub(super) fn note(&mut self, table: TableId, range: (i64, i64), now_ms: u64) {
        let is_over = |report: &Report| now_ms.saturating_sub(report.at_ms) >= KEPT_MS;
        while self.reports.len() >= HEARD_MAX || self.reports.front().is_some_and(is_over) {
            let Some(forgotten) = self.reports.pop_front() else { break };
            self.complete_since_ms = forgotten.at_ms + 1;
        }
        if self.reports.capacity() == 0 {
            self.reports.reserve_exact(HEARD_MAX);
        }
        self.reports.push_back(Report { at_ms: now_ms, table, range });
    }

    pub(super) fn since(&self, table: TableId, began_ms: u64) -> Since {
        if began_ms < self.complete_since_ms {
            return Since { ranges: None };
        }
        let later = self.reports.iter().rev().take_while(|report| report.at_ms >= began_ms);
        let ranges = later.filter(|report| report.table == table).map(|report| report.range);
        Since { ranges: Some(ranges.collect()) }
    }

    pub(super) fn forget_table(&mut self, table: TableId) {
        self.reports.retain(|report| report.table != table);
        if self.reports.is_empty() {
            self.reports = VecDeque::new();
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.reports.capacity() * size_of::<Report>()
    }
}

impl Since {
    /// Whether a node may have reported anything of `(first, last]`. Equal borders don't overlap.
    pub(super) fn overlaps(&self, first: i64, last: i64) -> bool {
        let is_in = |heard: &(i64, i64)| heard.0 < last && heard.1 > first;
        self.ranges.as_ref().is_none_or(|ranges| ranges.iter().any(is_in))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: TableId = TableId(0);

    #[test]
    fn a_report_since_then_is_known_and_an_older_one_is_not() {
        let mut heard = Heard::default();
        heard.note(T, (0, 10), 5);
        heard.note(TableId(1), (20, 30), 5);
        assert!(heard.since(T, 5).overlaps(9, 20));
        assert!(!heard.since(T, 5).overlaps(10, 30));
        assert!(!heard.since(T, 6).overlaps(0, 10));
    }

    #[test]
    fn every_range_counts_as_reported_once_reports_were_forgotten() {
        let mut heard = Heard::default();
        for at in 0..=HEARD_MAX as u64 {
            heard.note(T, (0, 10), 7 + at);
        }
        assert!(heard.since(T, 7).overlaps(50, 60));
        assert!(!heard.since(T, 8).overlaps(50, 60));
        assert!(heard.reports.len() <= HEARD_MAX);
    }
}
