//! Every request: who asked, how often it ran, whether it was answered.

use std::sync::Arc;

use crate::sim::world::link::LinkId;
use crate::sim::world::statements::Ask;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Who asked.
    pub(super) asker: usize,
    /// On which connection.
    pub(super) link: LinkId,
    /// What.
    pub(super) ask: Ask,
    /// Columns of its statement as its client held them.
    pub(super) columns: Option<Arc<[String]>>,
    /// The keyspace that its client was in.
    pub(super) keyspace: Option<usize>,
    /// The keyspace of a `USE` that had no answer yet.
    pub(super) switching: Option<usize>,
    /// When it was asked.
    pub(super) asked_us: u64,
    /// How often it got to a node.
    pub(super) arrived: u32,
    /// How often a node ran it, or may have.
    pub(super) ran: u32,
    /// Whether its client had a RESULT.
    pub(super) acknowledged: bool,
    /// Whether it has ended: answered, or its connection is gone.
    pub(super) ended: bool,
    /// A node lied to the proxy about it: its answer proves nothing.
    pub(super) tainted: bool,
}

/// All requests by number.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    records: Vec<Record>,
    /// No older one waits for its answer.
    oldest: usize,
}

impl Ledger {
    /// Enters a request; its number.
    pub(super) fn enter(&mut self, record: Record) -> u64 {
        self.records.push(record);
        u64::try_from(self.records.len() - 1).unwrap_or(u64::MAX)
    }

    /// How many there were.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// A request.
    pub(super) fn get(&self, number: u64) -> Option<&Record> {
        self.records.get(usize::try_from(number).ok()?)
    }

    /// A request, to be changed.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Record> {
        self.records.get_mut(usize::try_from(number).ok()?)
    }

    /// All requests with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Record)> {
        (0..).zip(&self.records)
    }

    /// Requests that wait for their answer, oldest first.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = (usize, &Record)> {
        while self.records.get(self.oldest).is_some_and(|record| record.ended) {
            self.oldest += 1;
        }
        let records = self.records.iter().enumerate().skip(self.oldest);
        records.filter(|(_, record)| !record.ended)
    }
}
