//! Every request: who asked, how often it ran, whether it was answered.

use std::sync::Arc;

use crate::sim::world::model::credentials::Credential;
use crate::sim::world::model::statements::Ask;
use crate::sim::world::network::link::LinkId;

/// One request.
#[derive(Clone, Debug)]
pub(in crate::sim::world) struct Record {
    /// Who asked.
    pub(in crate::sim::world) asker: usize,
    /// On which connection.
    pub(in crate::sim::world) link: LinkId,
    /// What.
    pub(in crate::sim::world) ask: Ask,
    /// Columns of its statement as its client held them.
    pub(in crate::sim::world) columns: Option<Arc<[String]>>,
    /// The keyspace that its client was in.
    pub(in crate::sim::world) keyspace: Option<usize>,
    /// The keyspace of a `USE` that had no answer yet.
    pub(in crate::sim::world) switching: Option<usize>,
    /// As whom its client had logged in.
    pub(in crate::sim::world) credential: Option<Credential>,
    /// Whether its consistency names the local data center.
    pub(in crate::sim::world) local: bool,
    /// When it was asked.
    pub(in crate::sim::world) asked_us: u64,
    /// How often it got to a node.
    pub(in crate::sim::world) arrived: u32,
    /// How often a node ran it, or may have.
    pub(in crate::sim::world) ran: u32,
    /// Whether its client had a RESULT.
    pub(in crate::sim::world) acknowledged: bool,
    /// Whether it has ended: answered, or its connection is gone.
    pub(in crate::sim::world) ended: bool,
    /// A node lied to the proxy about it: its answer proves nothing.
    pub(in crate::sim::world) tainted: bool,
}

/// All requests by number.
#[derive(Debug, Default)]
pub(in crate::sim::world) struct Ledger {
    records: Vec<Record>,
    /// No older one waits for its answer.
    oldest: usize,
}

impl Ledger {
    /// Enters a request; its number.
    pub(in crate::sim::world) fn enter(&mut self, record: Record) -> u64 {
        self.records.push(record);
        u64::try_from(self.records.len() - 1).unwrap_or(u64::MAX)
    }

    /// How many there were.
    pub(in crate::sim::world) fn len(&self) -> usize {
        self.records.len()
    }

    /// A request.
    pub(in crate::sim::world) fn get(&self, number: u64) -> Option<&Record> {
        self.records.get(usize::try_from(number).ok()?)
    }

    /// A request, to be changed.
    pub(in crate::sim::world) fn get_mut(&mut self, number: u64) -> Option<&mut Record> {
        self.records.get_mut(usize::try_from(number).ok()?)
    }

    /// All requests with their numbers.
    pub(in crate::sim::world) fn iter(&self) -> impl Iterator<Item = (u64, &Record)> {
        (0..).zip(&self.records)
    }

    /// Requests that wait for their answer, oldest first.
    pub(in crate::sim::world) fn waiting(&mut self) -> impl Iterator<Item = (usize, &Record)> {
        while self.records.get(self.oldest).is_some_and(|record| record.ended) {
            self.oldest += 1;
        }
        let records = self.records.iter().enumerate().skip(self.oldest);
        records.filter(|(_, record)| !record.ended)
    }
}
