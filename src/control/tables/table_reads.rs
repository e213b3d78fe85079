//! What workers want to know of single tables: which question is next, and what its answer says.
//!
//! One question is asked at a time, between events and heartbeats. Equal requests are one. What
//! finds no room, and what a node refuses because it is busy, is dropped: workers ask again.

use std::collections::VecDeque;

use crate::control::tables::key_columns;
use crate::engine::action::{TableFact, TableRequest};
use crate::topology::table_key::TableKey;
use cql::error_code::ErrorCode;
use cql::response::event::Event;
use cql::response::schema_change::SchemaTarget;

/// Requests that wait. Any more are dropped.
const WAITING_MAX: usize = 1_024;

/// Times that a question is asked anew because its table changed meanwhile.
const ANEW_MAX: u32 = 3;

/// Requests about single tables.
#[derive(Debug, Default)]
pub struct TableReads {
    /// Oldest first.
    waiting: VecDeque<TableRequest>,
    asked: Option<Asked>,
}

/// What was read of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TableReport {
    /// Its partition key.
    Key(TableKey),
}

#[derive(Debug)]
struct Asked {
    request: TableRequest,
    /// Set once the table may have changed since the question was asked.
    is_old: bool,
    /// Times that it was asked before.
    anew: u32,
}

impl TableReads {
    /// Takes a request; `false` when there is no room for it.
    pub fn on_request(&mut self, request: TableRequest) -> bool {
        let is_asked = self.asked.as_ref().is_some_and(|asked| asked.request == request);
        if is_asked || self.waiting.contains(&request) {
            return true;
        }
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.waiting.push_back(request);
        true
    }

    /// The CQL text to ask the node now; `None` when nothing is wanted. Its answer is given to
    /// [`Self::on_answer`] before the next one is asked.
    pub fn next_question(&mut self) -> Option<String> {
        if self.asked.is_none() {
            let request = self.waiting.pop_front()?;
            self.asked = Some(Asked { request, is_old: false, anew: 0 });
        }
        let asked = self.asked.as_mut()?;
        asked.is_old = false;
        Some(match asked.request.wanted {
            TableFact::Key => key_columns::question(&asked.request),
        })
    }

    /// Takes in the answer to the last question, as the message of a RESULT, or the code of the ERROR
    /// that the node sent instead.
    pub fn on_answer(&mut self, answer: Result<&[u8], ErrorCode>) -> Option<TableReport> {
        let mut asked = self.asked.take()?;
        if asked.is_old && asked.anew < ANEW_MAX {
            asked.anew += 1;
            self.asked = Some(asked);
            return None;
        }
        let TableRequest { keyspace, table, wanted } = asked.request;
        match wanted {
            TableFact::Key => {
                let columns = match answer {
                    Ok(message) => key_columns::read(message).unwrap_or_default(),
                    Err(ErrorCode::INVALID | ErrorCode::UNAUTHORIZED) => None,
                    Err(_) => return None,
                };
                Some(TableReport::Key(TableKey { keyspace, table, columns }))
            }
        }
    }

    /// Takes in an event, to be given before the answer that came after it: an answer about a table
    /// that changed meanwhile may be older than the change, and is asked for anew.
    pub fn on_event(&mut self, event: &Event<'_>) {
        let (Event::Schema(change), Some(asked)) = (event, &mut self.asked) else { return };
        let is_table = match &change.target {
            SchemaTarget::Table(table) => *table == &*asked.request.table,
            SchemaTarget::Keyspace | SchemaTarget::Type(_) => true,
            SchemaTarget::Function(..) | SchemaTarget::Aggregate(..) => false,
        };
        asked.is_old |= is_table && change.keyspace == &*asked.request.keyspace;
    }

    /// Forgets all requests: the node that was asked is lost.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cql::response::schema_change::SchemaChange;

    fn key_of(table: &str) -> TableRequest {
        TableRequest { keyspace: "ks".into(), table: table.into(), wanted: TableFact::Key }
    }

    fn is_about(question: Option<String>, table: &str) -> bool {
        question.is_some_and(|text| text.contains(&format!("table_name = '{table}'")))
    }

    #[test]
    fn requests_of_several_workers_for_one_table_are_one_question() {
        let mut reads = TableReads::default();
        assert!(reads.on_request(key_of("t")) && reads.on_request(key_of("t")));
        assert!(is_about(reads.next_question(), "t"));
        assert!(reads.on_request(key_of("t")) && reads.on_request(key_of("u")));
        let report = reads.on_answer(Err(ErrorCode::INVALID));
        let columns = report.map(|TableReport::Key(key)| key.columns);
        assert_eq!(columns, Some(None), "there is no such table");
        assert!(is_about(reads.next_question(), "u"));
        reads.on_answer(Err(ErrorCode::INVALID));
        assert_eq!(reads.next_question(), None);
    }

    #[test]
    fn a_node_that_is_busy_says_nothing_about_the_table() {
        let mut reads = TableReads::default();
        reads.on_request(key_of("t"));
        reads.next_question();
        assert_eq!(reads.on_answer(Err(ErrorCode::OVERLOADED)), None);
        assert_eq!(reads.next_question(), None, "the workers ask again");
    }

    #[test]
    fn a_table_that_changes_meanwhile_is_read_anew_a_few_times() {
        let mut reads = TableReads::default();
        reads.on_request(key_of("t"));
        let change =
            |keyspace, target| Event::Schema(SchemaChange { change: "UPDATED", keyspace, target });
        let mut asked = 0;
        while is_about(reads.next_question(), "t") && asked < 100 {
            asked += 1;
            reads.on_event(&change("ks", SchemaTarget::Table("t")));
            reads.on_answer(Err(ErrorCode::INVALID));
        }
        assert_eq!(asked, 1 + ANEW_MAX);

        reads.on_request(key_of("t"));
        reads.next_question();
        reads.on_event(&change("other", SchemaTarget::Table("t")));
        reads.on_event(&change("ks", SchemaTarget::Table("u")));
        assert!(reads.on_answer(Err(ErrorCode::INVALID)).is_some());
    }

    #[test]
    fn requests_beyond_the_bound_are_dropped() {
        let mut reads = TableReads::default();
        let taken =
            (0..2 * WAITING_MAX).filter(|table| reads.on_request(key_of(&table.to_string())));
        assert_eq!(taken.count(), WAITING_MAX);
    }
}
