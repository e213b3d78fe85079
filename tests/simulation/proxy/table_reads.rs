//! Stands in for what the control connection reads of single tables.

use std::sync::Arc;

use crate::agenda::Event;
use crate::model::frames::Hand;
use crate::world::World;
use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::response::error::ErrorMessage;
use shardlane::control::tables::table_reads::TableReport;
use shardlane::engine::action::TableRequest;
use shardlane::topology::table_key::TableKey;
use shardlane::topology::tablet_page::TabletPage;

/// A question takes up to this long, and so does the way of what was read to a worker.
const READ_US: u64 = 30_000;

impl World {
    /// A worker wants to know something of a table.
    pub(crate) fn read_table_soon(&mut self, request: TableRequest) {
        self.control.reads.on_request(request);
        self.ask_next();
    }

    fn ask_next(&mut self) {
        let Some(rest_us) = self.control.reads.wait_us(self.now_us) else { return };
        let at = self.now_us + rest_us + 1 + self.control.reads_chance.below(READ_US);
        self.agenda.plan(at, Event::ControlReadsTables);
    }

    /// The control connection asks its next question, and is answered.
    pub(crate) fn on_control_reads_tables(&mut self) {
        let Some(connection) = self.control.connection() else { return };
        let Some(question) = self.control.reads.next_question(self.now_us) else { return };
        let query = match &question.page {
            None => Hand::OWN.query(&question.text),
            Some((rows, state)) => Hand::OWN.query_page(&question.text, *rows, state.as_deref()),
        };
        let Some(answer) = self.ask_node(connection, &query) else { return };
        let is_refused = !self.scenario.may_read && question.text.contains("FROM system.tablets");
        self.counted.reads_refused += u64::from(is_refused);
        let answer = match answer.opcode() {
            _ if is_refused => Err(ErrorCode::UNAUTHORIZED),
            Some(Opcode::Result) => Ok(&*answer.body),
            _ => {
                Err(ErrorMessage::read(&answer.body).map_or(ErrorCode::SERVER_ERROR, |it| it.code))
            }
        };
        match self.control.reads.on_answer(answer, self.now_us) {
            Some(TableReport::Key(key)) => {
                let key = Arc::new(key);
                self.narrate(format_args!("the key of {}.{} is read", key.keyspace, key.table));
                for worker in self.workers.numbers() {
                    self.report_to(worker, Event::TableKey { worker, key: Arc::clone(&key) });
                }
            }
            Some(TableReport::Tablets(page)) => {
                let page = Arc::new(page);
                let TabletPage { keyspace, table, tablets, end, .. } = &*page;
                let count = tablets.len();
                self.counted.tablets_read += u64::try_from(count).unwrap_or(0);
                self.narrate(format_args!(
                    "{count} tablets of {keyspace}.{table} are read: {end:?}"
                ));
                for worker in self.workers.numbers() {
                    self.report_to(worker, Event::Tablets { worker, page: Arc::clone(&page) });
                }
            }
            None => {}
        }
        self.ask_next();
    }

    /// What is reported to a worker keeps its order.
    fn report_to(&mut self, worker: usize, event: Event) {
        let way_us = 1 + self.control.reads_chance.below(READ_US);
        let read_us = &mut self.workers.get_mut(worker).read_us;
        *read_us = (self.now_us + way_us).max(*read_us);
        self.agenda.plan(*read_us, event);
    }

    /// Another node is watched: events may have been missed.
    pub(crate) fn report_missed_events(&mut self) {
        for worker in self.workers.numbers() {
            let read_us = self.workers.get(worker).read_us.max(self.now_us);
            self.agenda.plan(read_us, Event::EventsMissed { worker });
        }
    }

    /// A worker hears so.
    pub(crate) fn on_events_missed(&mut self, worker: usize) {
        self.input(worker, shardlane::engine::engine::Engine::on_events_missed);
        self.flush(worker);
    }

    /// A worker hears some of a table's tablets.
    pub(crate) fn on_tablets(&mut self, worker: usize, page: &TabletPage) {
        self.input(worker, |engine| engine.on_tablets_read(page));
        self.flush(worker);
    }

    /// A worker gets the key of a table.
    pub(crate) fn on_table_key(&mut self, worker: usize, key: Arc<TableKey>) {
        self.input(worker, |engine| engine.on_table_key(key));
        self.flush(worker);
    }
}
