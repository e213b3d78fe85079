//! Statements by text whose keys have any type: asked in the trouble, and judged by their shard in the
//! calm.

use crate::faults::fault_kind::FaultKind;
use crate::model::frames::Hand;
use crate::model::keys::{KEY_KINDS, TURNED, key_kind, spelled};
use crate::model::statements::{Handle, KEYSPACES, RequestKind, SECOND_ROW, Shape, keyspace};
use crate::world::World;

/// Within this time the keys of all tables are read, and their tablets.
pub(super) const READ_US: u64 = 6_000_000;
/// So long apart the tables are first asked for.
const APART_US: u64 = 100_000;
/// A sample is answered within this.
pub(super) const SAMPLED_US: u64 = 20_000;
/// So many texts in a row arrive at the right shard before its row counts as found: one does by chance.
const RIGHT_IN_A_ROW: u32 = 8;
/// So many rows are asked for until they are found.
const SAMPLED_ROWS: u64 = 4;
/// Texts of one row that may go astray before its tablet is sampled: the key is read with the first, and one
/// in a hundred is sampled.
const ASTRAY_MAX: u64 = 150;
/// A node hears of a change of the schema within this, and the proxy of the event.
const HEARD_US: u64 = 1_000_000;

/// A QUERY: its text, the values for its markers, and their names if they are sent by name.
#[derive(Debug, Default)]
pub(super) struct Written {
    text: String,
    cells: Vec<Vec<u8>>,
    names: Vec<String>,
}

impl Written {
    pub(super) fn bytes(&self, hand: Hand) -> Vec<u8> {
        let cells: Vec<&[u8]> = self.cells.iter().map(|cell| &**cell).collect();
        let names: Vec<&str> = self.names.iter().map(|name| &**name).collect();
        hand.query_bound(&self.text, &cells, &names)
    }
}

impl World {
    /// A client asks by text for a row whose key is of any type, or writes by a batch in text.
    pub(crate) fn ask_by_any_text(&mut self, number: usize, unqualified: Option<usize>) {
        let of = unqualified.unwrap_or_else(|| self.chance.index(KEYSPACES.len()));
        let qualified = unqualified.is_none();
        if self.chance.one_in(4) {
            let handle = Handle { shape: Shape::Count, keyspace: of, qualified };
            return self.ask_text_batch(number, handle);
        }
        let kind = self.chance.index(KEY_KINDS.len());
        let handle = Handle { shape: Shape::Typed(kind), keyspace: of, qualified };
        let row = self.chance.below(handle.rows());
        let written = self.write_text(handle, kind, row);
        self.ask(number, RequestKind::Text(handle, row), |hand| written.bytes(hand));
    }

    /// Two counters are raised: by BEGIN BATCH, by the BATCH message, or by one UPDATE with its values
    /// bound and the key behind another value.
    fn ask_text_batch(&mut self, number: usize, handle: Handle) {
        let next = u64::try_from(self.ledger.len()).unwrap_or(0);
        let update = |key: u64| handle.text_with(&key.to_string());
        match self.chance.below(3) {
            0 => {
                let (one, other) = (update(next), update(next + SECOND_ROW));
                let text = format!("BEGIN COUNTER BATCH {one}; {other}; APPLY BATCH");
                self.ask(number, RequestKind::TextBatch(handle, next), |hand| hand.query(&text));
            }
            1 => {
                let texts = [update(next), update(next + SECOND_ROW)];
                self.ask(number, RequestKind::TextBatch(handle, next), |hand| {
                    hand.batch_of_texts(&texts)
                });
            }
            _ => {
                let table = handle.counters();
                let text = format!("UPDATE {table} SET n = n + ? WHERE pk = ?");
                let cells = vec![1_i64.to_be_bytes().to_vec(), next.to_be_bytes().to_vec()];
                let written = Written { text, cells, names: Vec::new() };
                self.ask(number, RequestKind::Text(handle, next), |hand| written.bytes(hand));
            }
        }
    }

    /// A SELECT of one row, its key written in one of the ways there are, or bound.
    fn write_text(&mut self, handle: Handle, number: usize, row: u64) -> Written {
        let kind = key_kind(number);
        let name = kind.table;
        let mut chance = self.chance.clone();
        let mut draw = |count: usize| chance.index(count);
        let table = match handle.qualified {
            true => {
                let of = keyspace(handle.keyspace);
                format!("{}.{}", spelled(of, draw(3)), spelled(name, draw(3)))
            }
            false => spelled(name, draw(3)).into_owned(),
        };
        let select = format!("SELECT v FROM {table} WHERE");
        let cells = || kind.cells(row).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        let columns = kind.columns.iter().map(|(name, _)| *name);
        let written = match (draw(6), kind.columns) {
            // Values by position, and the columns in another order than the key's.
            (0, _) => {
                let relations: Vec<String> =
                    columns.rev().map(|name| format!("{name} = ?")).collect();
                let text = format!("{select} {}", relations.join(" AND "));
                Written { text, cells: cells().into_iter().rev().collect(), names: Vec::new() }
            }
            // By name, sent in another order than they are named.
            (1, _) => {
                let marks = (0..).map(|at: usize| format!("m{at}"));
                let relations: Vec<String> =
                    columns.zip(marks).map(|(name, mark)| format!("{name} = :{mark}")).collect();
                let names = (0..kind.columns.len()).rev().map(|at| format!("m{at}"));
                Written {
                    text: format!("{select} {}", relations.join(" AND ")),
                    cells: cells().into_iter().rev().collect(),
                    names: names.collect(),
                }
            }
            // The first of several decides.
            (2, [(name, _)]) if kind.rows.len() > 1 => {
                let (first, second) =
                    (kind.literal(row, &mut draw), kind.literal(row + 1, &mut draw));
                let text = format!("{select} {name} IN ({first}, {second})");
                Written { text, ..Written::default() }
            }
            _ => {
                let mut relations = kind.relations(row, &mut draw);
                if draw(2) == 0 {
                    relations.reverse();
                }
                let ends = ["", ";", " LIMIT 10", " -- it's ?\n", " /* = 1 */"];
                let end = ends.get(draw(ends.len())).copied().unwrap_or_default();
                let text = format!("{select} {}{end}", relations.join(" and "));
                Written { text, ..Written::default() }
            }
        };
        self.chance = chance;
        written
    }

    /// Once its key was read, each text reaches the shard that owns its row, however it is written;
    /// also after its table was made anew with the columns of its key in another order, and after its
    /// tablets moved, which no node reports to a text with constants.
    pub(crate) fn judge_texts(&mut self, number: usize) {
        if !self.scenario.texts || self.scenario.some_nodes() || self.scenario.on_demand() {
            return;
        }
        // What a node lied about its tablets is believed until another request gets a better report.
        let liars = self.scenario.has(FaultKind::HostileNode);
        let can_read = self.scenario.prefetch && self.scenario.may_read && !liars;
        let last = KEYSPACES.len() - 1;
        self.judge_unqualified(number, last);
        // What is run as a prepared statement is judged by nodes.
        if !can_read && !liars && !self.misses_anyway() && !self.scenario.executes {
            self.judge_sampled(number);
        }
        let first = if can_read && !self.misses_anyway() { 0 } else { last };
        for of in first..=last {
            let kinds: Vec<usize> = (0..KEY_KINDS.len()).collect();
            self.judge_kinds(number, of, &kinds);
            if self.broken.is_none() {
                self.turn_key(of);
                self.judge_kinds(number, of, &[TURNED]);
            }
            if of == 0 && self.scenario.reread_us > 0 && self.broken.is_none() {
                self.judge_moved(number);
            }
            // Nothing but samples has the table read again.
            let is_sampled = self.scenario.reread_us == 0;
            if of == 0 && is_sampled && !self.scenario.executes && self.broken.is_none() {
                self.judge_found(number);
            }
        }
    }

    /// All texts of some tables, once their keys are read.
    fn judge_kinds(&mut self, number: usize, of: usize, kinds: &[usize]) {
        let handle = |kind| Handle { shape: Shape::Typed(kind), keyspace: of, qualified: true };
        // The first text has the key read, and uses a table of which nothing is known; tablets that may have
        // changed are read once one uses it by its key, and what moved unseen is reported to one whose values
        // are bound.
        for _ in 0..3 {
            for kind in kinds {
                if !self.ask_typed(number, handle(*kind), 0) {
                    return;
                }
                self.run(self.now_us + APART_US, |_| false);
            }
            self.run(self.now_us + READ_US, |_| false);
        }
        for kind in kinds {
            self.judge_kind(number, handle(*kind));
        }
        self.counted.texts_judged += u64::from(self.broken.is_none());
    }

    /// Where tablets cannot be read, texts with constants find the shards of their rows all the same, when
    /// each is asked for often enough: keys are sampled.
    fn judge_sampled(&mut self, number: usize) {
        let kind = self.chance.index(KEY_KINDS.len());
        let handle = Handle { shape: Shape::Typed(kind), keyspace: 0, qualified: true };
        let rows = handle.rows().min(SAMPLED_ROWS);
        self.find_by_samples(number, handle, rows);
        if self.broken.is_none() && self.move_tablets(0, key_kind(kind).table_name()) {
            self.find_by_samples(number, handle, rows);
        }
        self.counted.texts_sampled += u64::from(self.broken.is_none());
    }

    fn find_by_samples(&mut self, number: usize, handle: Handle, rows: u64) {
        let Shape::Typed(kind) = handle.shape else { return };
        for row in 0..rows {
            let (mut astray, mut right) = (0, 0);
            while right < RIGHT_IN_A_ROW {
                let before = self.text_misses(handle);
                let written = self.write_constants(handle, kind, row);
                self.ask(number, RequestKind::Text(handle, row), |hand| written.bytes(hand));
                if !self.settle() {
                    return;
                }
                self.run(self.now_us + SAMPLED_US, |_| false);
                if self.text_misses(handle) == before {
                    right += 1;
                    continue;
                }
                (right, astray) = (0, astray + 1);
                if astray > ASTRAY_MAX {
                    return self.blame(format_args!(
                        "row {row} of {} is asked for {astray} times, and its tablet is not sampled",
                        key_kind(kind).table
                    ));
                }
            }
        }
    }

    /// A SELECT of one row whose key is written in constants.
    pub(super) fn write_constants(&mut self, handle: Handle, kind: usize, row: u64) -> Written {
        loop {
            let written = self.write_text(handle, kind, row);
            if written.cells.is_empty() {
                return written;
            }
        }
    }

    /// Texts that name no keyspace: where lanes in a keyspace are opened on demand, each reaches its
    /// shard when it is asked for often enough.
    fn judge_unqualified(&mut self, number: usize, of: usize) {
        let idle_us = self.scenario.limits.keyspace_lane_unused_us;
        if idle_us == 0 || self.misses_anyway() || self.broken.is_some() {
            return;
        }
        let text = format!("USE {}", keyspace(of));
        self.ask(number, RequestKind::Use(of), |hand| hand.query(&text));
        if !self.settle() {
            return;
        }
        let handle = |kind| Handle { shape: Shape::Typed(kind), keyspace: of, qualified: false };
        for kind in 0..KEY_KINDS.len() {
            let until_us = self.now_us + self.opened_us();
            for row in 0..handle(kind).rows() {
                loop {
                    let before = self.text_misses(handle(kind));
                    if !self.ask_typed(number, handle(kind), row) {
                        return;
                    }
                    if self.text_misses(handle(kind)) == before {
                        break;
                    }
                    if self.now_us > until_us {
                        return self.blame(format_args!(
                            "row {row} of {} is asked for again and again in its keyspace, and has no lane",
                            key_kind(kind).table
                        ));
                    }
                    self.run(self.now_us + idle_us / 4, |_| false);
                }
            }
        }
        self.counted.keyspaces_judged += 1;
    }

    /// A client asks for a row by text, and waits for it.
    pub(super) fn ask_typed(&mut self, number: usize, handle: Handle, row: u64) -> bool {
        let Shape::Typed(kind) = handle.shape else { return false };
        let written = self.write_text(handle, kind, row);
        self.ask(number, RequestKind::Text(handle, row), |hand| written.bytes(hand));
        self.settle()
    }

    pub(super) fn judge_kind(&mut self, number: usize, handle: Handle) {
        let Shape::Typed(kind) = handle.shape else { return };
        for row in (0..handle.rows()).chain(0..handle.rows()) {
            if self.broken.is_some() {
                return;
            }
            let before = self.text_misses(handle);
            let written = self.write_text(handle, kind, row);
            self.ask(number, RequestKind::Text(handle, row), |hand| written.bytes(hand));
            if self.settle() && self.text_misses(handle) > before {
                let (text, names) = (&written.text, &written.names);
                self.blame(format_args!("{text} {names:?} does not reach the shard of its row"));
            }
        }
    }

    /// Texts that arrived where they do not belong.
    pub(super) fn text_misses(&self, handle: Handle) -> u64 {
        let Shape::Typed(kind) = handle.shape else { return 0 };
        let name = KEYSPACES.get(handle.keyspace).copied().unwrap_or_default();
        let table = key_kind(kind).table_name();
        let requests = self.cluster.requests(name, table).unwrap_or_default();
        // As prepared statements, too.
        let arrivals = [requests.text, requests.routable, requests.other];
        arrivals.iter().map(|arrivals| arrivals.wrong_shard + arrivals.non_replica).sum()
    }

    /// A table is made anew, with the columns of its key in another order.
    fn turn_key(&mut self, of: usize) {
        let kind = key_kind(TURNED);
        let alive = self.cluster.members.iter().position(|member| member.answers());
        let Some(connection) = alive.and_then(|node| self.own_connection(node, 30_002)) else {
            return;
        };
        let name = keyspace(of);
        self.turned ^= 1 << of;
        let is_turned = self.turned & (1 << of) != 0;
        let drop = format!("DROP TABLE {name}.{}", kind.table);
        for text in [drop, kind.definition(name, is_turned)] {
            let said = self.ask_node(connection, &Hand::OWN.query(&text));
            self.expect_result(&text, said);
        }
        let mut hand = Hand::OWN;
        self.fill_key_table(connection, of, TURNED, &mut hand);
        self.cluster.close(connection);
        self.run(self.now_us + HEARD_US, |_| false);
    }
}
