//! What workers want to know of single tables: which question is next, and what its answer says.
//!
//! One question is asked at a time, between events and heartbeats. Keys come before tablets, and the
//! tablets of one table before those of another. Equal requests are one. What finds no room, and what
//! a node refuses because it is busy, is dropped: workers ask again.

use std::collections::VecDeque;

use crate::control::tables::key_reading::KeyReading;
use crate::control::tables::tablet_rows::{Progress, Question, TabletReading};
use crate::engine::action::{TableFact, TableRequest};
use crate::topology::table_key::TableKey;
use crate::topology::tablet_page::{ReadEnd, TabletPage};
use cql::error_code::ErrorCode;
use cql::response::event::Event;
use cql::response::schema_change::SchemaTarget;

/// Requests of each kind that wait. Any more are dropped.
const WAITING_MAX: usize = 4_096;

/// Times that a table is read anew because it changed meanwhile.
const ANEW_MAX: u32 = 3;

/// Time that may be used up ahead: so much is read at once after a while of rest.
const AHEAD_US: u64 = 1_000_000;

/// What a question costs beside the rows of its answer, in rows.
const QUESTION_ROWS: u64 = 8;

/// How fast tables are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TableReadSettings {
    /// Rows of `system.tablets` that are read a second, but for the first ones.
    pub rows_per_s: u64,
    /// Rows of one answer: few enough for a worker to take them in between two requests.
    pub page_rows: u32,
}

impl Default for TableReadSettings {
    fn default() -> Self {
        Self { rows_per_s: 20_000, page_rows: 500 }
    }
}

/// Requests about single tables.
#[derive(Debug)]
pub struct TableReads {
    settings: TableReadSettings,
    /// Requests for keys, oldest first.
    keys: VecDeque<TableRequest>,
    /// Requests for tablets, oldest first.
    tablets: VecDeque<TableRequest>,
    key: Option<Job<KeyReading>>,
    reading: Option<Job<TabletReading>>,
    /// Which of the two the last question is for, while it has no answer.
    asked: Option<TableFact>,
    /// What was read of tablets has used up the time until then, µs.
    used_until_us: u64,
}

/// What was read of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TableReport {
    /// Its partition key.
    Key(TableKey),
    /// Some of its tablets.
    Tablets(TabletPage),
}

/// Something that is being read.
#[derive(Debug)]
struct Job<T> {
    of: T,
    /// Set once the table may have changed since the reading began.
    is_old: bool,
    /// Times that it began anew.
    anew: u32,
}

impl<T> Job<T> {
    fn new(of: T) -> Self {
        Self { of, is_old: false, anew: 0 }
    }

    /// Begins anew with `of`; `None` when that was done too often.
    fn anew(&self, of: T) -> Option<Self> {
        let anew = self.anew + 1;
        (anew <= ANEW_MAX).then_some(Self { of, is_old: false, anew })
    }
}

impl TableReads {
    /// No requests yet.
    #[must_use]
    pub fn new(settings: TableReadSettings) -> Self {
        Self {
            settings,
            keys: VecDeque::new(),
            tablets: VecDeque::new(),
            key: None,
            reading: None,
            asked: None,
            used_until_us: 0,
        }
    }

    /// Takes a request; `false` when there is no room for it.
    pub fn on_request(&mut self, request: TableRequest) -> bool {
        let (queue, current) = match request.wanted {
            TableFact::Key => (&mut self.keys, self.key.as_ref().map(|job| &job.of.request)),
            TableFact::Tablets => {
                (&mut self.tablets, self.reading.as_ref().map(|job| &job.of.request))
            }
        };
        if current == Some(&request) || queue.contains(&request) {
            return true;
        }
        if queue.len() >= WAITING_MAX {
            return false;
        }
        queue.push_back(request);
        true
    }

    /// What to ask the node now, if anything. Its answer is given to [`Self::on_answer`] before the
    /// next one is asked.
    pub fn next_question(&mut self, now_us: u64) -> Option<Question> {
        if self.key.is_none() {
            let request = self.keys.pop_front();
            self.key = request.map(|request| Job::new(KeyReading::new(request)));
        }
        if let Some(job) = &self.key {
            self.asked = Some(TableFact::Key);
            return Some(Question { text: job.of.question(), page: None });
        }
        if self.rest_us(now_us) > 0 {
            return None;
        }
        if let Some(job) = self.reading.take_if(|job| job.is_old) {
            self.reading = job.anew(self.begin(job.of.request.clone(), now_us));
        }
        if self.reading.is_none() {
            let request = self.tablets.pop_front()?;
            self.reading = Some(Job::new(self.begin(request, now_us)));
        }
        self.asked = Some(TableFact::Tablets);
        self.reading.as_ref().map(|job| job.of.question())
    }

    /// How long to wait for the next question, µs; `None` when nothing is wanted.
    #[must_use]
    pub fn wait_us(&self, now_us: u64) -> Option<u64> {
        if self.key.is_some() || !self.keys.is_empty() {
            Some(0)
        } else if self.reading.is_some() || !self.tablets.is_empty() {
            Some(self.rest_us(now_us))
        } else {
            None
        }
    }

    /// Reads the answer to the last question, given as the message of a RESULT, or the code of the ERROR
    /// that the node sent instead.
    pub fn on_answer(
        &mut self,
        answer: Result<&[u8], ErrorCode>,
        now_us: u64,
    ) -> Option<TableReport> {
        match self.asked.take()? {
            TableFact::Key => self.on_key(answer).map(TableReport::Key),
            TableFact::Tablets => self.on_tablets(answer, now_us).map(TableReport::Tablets),
        }
    }

    fn on_key(&mut self, answer: Result<&[u8], ErrorCode>) -> Option<TableKey> {
        let mut job = self.key.take()?;
        if job.is_old {
            self.key = job.anew(KeyReading::new(job.of.request.clone()));
            if self.key.is_some() {
                return None;
            }
        }
        let key = job.of.on_answer(answer).ok()?;
        if key.is_none() {
            self.key = Some(job);
        }
        key
    }

    fn on_tablets(&mut self, answer: Result<&[u8], ErrorCode>, now_us: u64) -> Option<TabletPage> {
        let job = self.reading.as_mut().filter(|job| !job.is_old)?;
        let progress = job.of.on_answer(answer);
        let rows = match &progress {
            Progress::Page(page) => u64::try_from(page.tablets.len()).unwrap_or(u64::MAX),
            Progress::More | Progress::Busy => 0,
        };
        let rate = self.settings.rows_per_s.max(1);
        let cost_us = (rows + QUESTION_ROWS).saturating_mul(1_000_000) / rate;
        self.used_until_us = self.used_until_us.max(now_us).saturating_add(cost_us);
        let page = match progress {
            Progress::More => return None,
            Progress::Busy => {
                self.reading = None;
                return None;
            }
            Progress::Page(page) => page,
        };
        if page.end.is_some() {
            self.reading = None;
        }
        if page.end == Some(ReadEnd::Refused) {
            // So would the others be.
            self.tablets.clear();
        }
        Some(page)
    }

    /// Records an event, to be given before the answer that came after it: what was read of a table
    /// that changed meanwhile may be older than the change, and is read anew.
    pub fn on_event(&mut self, event: &Event<'_>) {
        let Event::Schema(change) = event else { return };
        let is_of = |request: &TableRequest| {
            let is_table = match &change.target {
                SchemaTarget::Table(table) => *table == &*request.table,
                SchemaTarget::Keyspace | SchemaTarget::Type(_) => true,
                SchemaTarget::Function(..) | SchemaTarget::Aggregate(..) => false,
            };
            is_table && change.keyspace == &*request.keyspace
        };
        if let Some(job) = &mut self.key {
            job.is_old |= is_of(&job.of.request);
        }
        let keeps_tablets = match change.target {
            SchemaTarget::Table(_) => change.change == "UPDATED",
            SchemaTarget::Type(_) => true,
            SchemaTarget::Keyspace | SchemaTarget::Function(..) | SchemaTarget::Aggregate(..) => {
                false
            }
        };
        if let Some(job) = self.reading.as_mut().filter(|_| !keeps_tablets) {
            job.is_old |= is_of(&job.of.request);
        }
    }

    /// Forgets all requests: the node that was asked is lost.
    pub fn clear(&mut self) {
        *self = Self { used_until_us: self.used_until_us, ..Self::new(self.settings) };
    }

    fn begin(&self, request: TableRequest, now_us: u64) -> TabletReading {
        TabletReading::new(request, self.settings.page_rows, now_us)
    }

    /// How long no tablets are asked for.
    fn rest_us(&self, now_us: u64) -> u64 {
        self.used_until_us.saturating_sub(now_us.saturating_add(AHEAD_US))
    }
}

#[cfg(test)]
mod tests;
