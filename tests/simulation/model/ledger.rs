//! Every request: who asked, how often it ran, whether it was answered.

use std::sync::Arc;

use crate::model::credentials::Credential;
use crate::model::statements::RequestKind;
use crate::network::link::LinkId;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Who asked.
    pub(crate) driver: usize,
    /// On which connection.
    pub(crate) link: LinkId,
    /// What.
    pub(crate) ask: RequestKind,
    /// Columns of its statement as its client held them.
    pub(crate) columns: Option<Arc<[String]>>,
    /// The id that it names, if it names one.
    pub(crate) statement: Option<Vec<u8>>,
    /// The keyspace that its client was in.
    pub(crate) keyspace: Option<usize>,
    /// The keyspace of a `USE` that had no answer yet.
    pub(crate) switching: Option<usize>,
    /// As whom its client had logged in.
    pub(crate) credential: Option<Credential>,
    /// Whether its consistency names the local data center.
    pub(crate) local: bool,
    /// When it was asked.
    pub(crate) asked_us: u64,
    /// How often it got to a node.
    pub(crate) arrived: u32,
    /// How often a node ran it, or may have.
    pub(crate) ran: u32,
    /// Whether a node that takes its peers for dead refused it.
    pub(crate) was_unavailable: bool,
    /// Whether its client had a RESULT.
    pub(crate) acknowledged: bool,
    /// Whether it has ended: answered, or its connection is gone.
    pub(crate) ended: bool,
    /// Whether it is so long that there may be no memory for it.
    pub(crate) is_long: bool,
    /// A node lied to the proxy about it: its answer proves nothing.
    pub(crate) tainted: bool,
    /// Whether it ran again after a refusal that came twice, and was taken for that of this request.
    pub(crate) ran_again: bool,
}

/// All requests by number.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    records: Vec<Record>,
    /// No older one waits for its answer.
    oldest: usize,
}

impl Ledger {
    /// Enters a request; its number.
    pub(crate) fn enter(&mut self, record: Record) -> u64 {
        self.records.push(record);
        u64::try_from(self.records.len() - 1).unwrap_or(u64::MAX)
    }

    /// How many there were.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// A request.
    pub(crate) fn get(&self, number: u64) -> Option<&Record> {
        self.records.get(usize::try_from(number).ok()?)
    }

    /// A request, to be changed.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Record> {
        self.records.get_mut(usize::try_from(number).ok()?)
    }

    /// All requests with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Record)> {
        (0..).zip(&self.records)
    }

    /// Requests that wait for their answer, oldest first.
    pub(crate) fn waiting(&mut self) -> impl Iterator<Item = (usize, &Record)> {
        while self.records.get(self.oldest).is_some_and(|record| record.ended) {
            self.oldest += 1;
        }
        let records = self.records.iter().enumerate().skip(self.oldest);
        records.filter(|(_, record)| !record.ended)
    }
}
