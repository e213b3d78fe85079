//! Texts that are run as prepared statements: in the calm each shape is asked for until it is one, and
//! its answers are judged as those of any text.

use crate::faults::fault_kind::FaultKind;
use crate::model::frames::Hand;
use crate::model::keys::{KEY_KINDS, KeyKind, key_kind};
use crate::model::statements::{Handle, KEYSPACES, RequestKind, Shape, keyspace};
use crate::world::World;
use cql::response::rows::Rows;

/// After so many texts of one shape it is a prepared statement.
const ASKED: u64 = 20;
/// Texts that are asked besides; their constants are written in another way each.
const WRITTEN: u64 = 8;
/// One shape takes less.
const SHAPE_BYTES: usize = 4_000;
/// A node hears of a change of the schema within this, and the proxy of the event.
const HEARD_US: u64 = 1_000_000;
/// While a node can be reached, one is watched again within this time, however often the control connection tries
/// one that cannot.
const WATCHED_US: u64 = 20_000_000;
/// A table that is made anew with another type.
const RETYPED: &str = "retyped";

impl World {
    /// Texts of each shape, until nodes run them as prepared statements, and beyond.
    pub(crate) fn judge_shapes(&mut self, number: usize) {
        if !self.scenario.executes || !self.scenario.texts || self.broken.is_some() {
            return;
        }
        // Texts are run as they are while no node is watched.
        self.run(self.now_us + WATCHED_US, |world| world.control.connection().is_some());
        self.run(self.now_us + HEARD_US, |_| false);
        let of = self.chance.index(KEYSPACES.len());
        for kind in 0..KEY_KINDS.len() {
            let handle = Handle { shape: Shape::Typed(kind), keyspace: of, qualified: true };
            let before = self.texts_executed();
            for turn in 0..ASKED + WRITTEN {
                let row = turn % handle.rows();
                let text = select(handle, key_kind(kind), row, turn);
                self.ask(number, RequestKind::Text(handle, row), |hand| hand.query(&text));
                if !self.settle() {
                    return;
                }
            }
            // A collection has no type that can be written before a marker.
            let has_shape = !key_kind(kind).columns.iter().any(|(_, kind)| kind.contains('<'));
            let is_run = self.texts_executed() > before;
            if is_run != has_shape && (is_run || self.has_room_for_shapes()) {
                let name = key_kind(kind).table;
                return self.blame(format_args!(
                    "texts on {name} are run as prepared statements: {is_run}"
                ));
            }
        }
        self.judge_refused(number, of);
        self.judge_retyped(number, of);
        self.counted.shapes_judged += u64::from(self.broken.is_none());
    }

    /// A shape that nodes refuse to prepare is tried again after a second, two more, four more…
    fn judge_refused(&mut self, number: usize, of: usize) {
        let text = |turn: u64| format!("SELECT nothing FROM {}.t WHERE pk = {turn}", keyspace(of));
        let (before, since_us) = (self.shapes_given_up(), self.now_us);
        for turn in 0..4 * ASKED {
            self.ask(number, RequestKind::Refused, |hand| hand.query(&text(turn)));
            if !self.settle() {
                return;
            }
        }
        let times = self.shapes_given_up() - before;
        let times_max = 1 + u64::from(((self.now_us - since_us) / 1_000_000 + 1).ilog2());
        if times > times_max || (times == 0 && self.has_room_for_shapes()) {
            self.blame(format_args!("a shape that nodes refuse was given up {times} times"));
        }
    }

    /// A table is made anew with another type, and another client prepares the same statement: what
    /// was known of the shape holds no longer, though the proxy may not have heard of it.
    fn judge_retyped(&mut self, number: usize, of: usize) {
        // A client that logs in may not write everywhere.
        if self.broken.is_some() || self.scenario.roles > 0 {
            return;
        }
        let name = format!("{}.{RETYPED}", keyspace(of));
        for (kind, is_heard) in [("bigint", true), ("float", false)] {
            let create =
                |kind: &str| format!("CREATE TABLE {name} (pk bigint PRIMARY KEY, v {kind})");
            if !self.change_schema(&[create("int")]) || !self.write_texts(number, &name) {
                return;
            }
            if !is_heard && let Some(connection) = self.control.take_connection() {
                self.cluster.close(connection);
            }
            if !self.change_schema(&[format!("DROP TABLE {name}"), create(kind)]) {
                return;
            }
            self.prepare_on_all(&format!("UPDATE {name} SET v = ? WHERE pk = ?"));
            if !self.write_texts(number, &name) {
                return;
            }
            if !is_heard {
                self.judge_written(&name);
                self.on_control_dials();
            }
            self.change_schema(&[format!("DROP TABLE {name}")]);
        }
    }

    /// Writes whole numbers by texts of one shape.
    fn write_texts(&mut self, number: usize, name: &str) -> bool {
        for turn in 0..ASKED {
            let text = format!("UPDATE {name} SET v = {turn} WHERE pk = 0");
            self.ask(number, RequestKind::Written, |hand| hand.query(&text));
            if !self.settle() {
                return false;
            }
        }
        true
    }

    /// Whole numbers are in a column of floats, and no bytes of integers.
    fn judge_written(&mut self, name: &str) {
        let alive = self.cluster.members.iter().position(|member| member.answers());
        let connection = alive.and_then(|node| self.own_connection(node, 30_005));
        let Some(connection) = connection else { return };
        let text = format!("SELECT v FROM {name} WHERE pk = 0");
        let said = self.ask_node(connection, &Hand::OWN.query(&text));
        self.cluster.close(connection);
        let Some(said) = self.expect_result(&text, said) else { return };
        let Ok(rows) = Rows::read(&said.body) else { return };
        let cell = rows.rows().next().and_then(|row| row.ok()?.cells.first().copied().flatten());
        let number = cell.and_then(|cell| cell.try_into().ok()).map(f32::from_be_bytes);
        if number.is_none_or(f32::is_subnormal) {
            self.blame(format_args!("a text wrote {number:?} after its column's type had changed"));
        }
    }

    /// Changes the schema over a connection of our own, and lets everybody hear of it.
    pub(crate) fn change_schema(&mut self, texts: &[String]) -> bool {
        let alive = self.cluster.members.iter().position(|member| member.answers());
        let Some(connection) = alive.and_then(|node| self.own_connection(node, 30_003)) else {
            return false;
        };
        for text in texts {
            let said = self.ask_node(connection, &Hand::OWN.query(text));
            self.expect_result(text, said);
        }
        self.cluster.close(connection);
        self.run(self.now_us + HEARD_US, |_| false);
        self.broken.is_none()
    }

    /// Prepares a statement on every node, as another client would.
    pub(crate) fn prepare_on_all(&mut self, text: &str) {
        for node in 0..self.cluster.members.len() {
            if !self.cluster.members.get(node).is_some_and(|member| member.answers()) {
                continue;
            }
            let Some(connection) = self.own_connection(node, 30_004) else { continue };
            let said = self.ask_node(connection, &Hand::OWN.prepare(text));
            self.expect_result(text, said);
            self.cluster.close(connection);
        }
    }

    /// Whether a shape is kept, and prepared by nodes that do not lie.
    fn has_room_for_shapes(&self) -> bool {
        let bytes_max = self.scenario.limits.catalog_bytes_max / 8;
        bytes_max >= SHAPE_BYTES && !self.scenario.has(FaultKind::HostileNode)
    }

    fn texts_executed(&self) -> u64 {
        self.workers.all().map(|worker| worker.engine.tally().texts_executed).sum()
    }

    fn shapes_given_up(&self) -> u64 {
        self.workers.all().map(|worker| worker.engine.tally().shapes_given_up).sum()
    }
}

/// A SELECT of one row. The constants are written in one way first, and in all ways then.
fn select(handle: Handle, kind: &KeyKind, row: u64, turn: u64) -> String {
    let other = turn.saturating_sub(ASKED);
    let mut draw = |count: usize| match count {
        // How the name is spelled, and whether it stands before IN, is the shape.
        3 | 4 => count - 1,
        _ => usize::try_from(other).unwrap_or(0) % count.max(1),
    };
    let relations = kind.relations(row, &mut draw).join(" AND ");
    format!("SELECT v FROM {} WHERE {relations}", handle.table_read())
}
