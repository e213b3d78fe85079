//! Prepared statements by id: soft state, bounded by bytes.
//!
//! The ids are the server's own. A client may hold one that is not here, since it was forgotten or
//! prepared before this process started; its EXECUTE is forwarded, and asks for the columns of its
//! rows; the server's UNPREPARED makes the driver prepare it again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::collections::slab::Slab;
use crate::collections::slab::SlabKey;
use crate::routing::statement::{CatalogEntry, Restored, SAMPLED, Statement};
use crate::topology::table::TableId;

/// One part in this many is forgotten at a time when there is no room.
const EVICTED_PART: usize = 16;

/// Names a statement in the catalog.
pub type StatementKey = SlabKey<CatalogEntry>;

/// The statements that clients prepared.
#[derive(Debug)]
pub struct Catalog {
    by_id: HashMap<Box<[u8]>, StatementKey, foldhash::fast::RandomState>,
    entries: Slab<CatalogEntry>,
    bytes: usize,
    bytes_max: usize,
    uses: u64,
    /// Set once clients may hold columns that are not recorded here.
    incomplete: bool,
    /// Statements that were forgotten for want of room.
    pub evicted: u64,
}

impl Catalog {
    /// An empty catalog that takes `bytes_max` at most.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            by_id: HashMap::default(),
            entries: Slab::default(),
            bytes: 0,
            bytes_max,
            uses: 0,
            incomplete: false,
            evicted: 0,
        }
    }

    /// Takes `bytes_max` at most from now on; what is used least is forgotten at once if need be.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.make_room();
    }

    /// Records a statement as a client now holds it.
    ///
    /// Under a known id only its columns can be new; other clients may hold the old ones.
    pub fn record(&mut self, statement: Arc<Statement>, table: Option<TableId>) -> StatementKey {
        self.uses += 1;
        if let Some(key) = self.by_id.get(&statement.id).copied()
            && let Some(entry) = self.entries.get_mut(key)
        {
            let before = entry.statement.weight();
            entry.replace(statement);
            self.bytes = self.bytes + entry.statement.weight() - before;
            entry.table = table;
            entry.used = self.uses;
            self.make_room();
            return key;
        }
        self.bytes += statement.weight();
        self.make_room();
        let id = statement.id.clone();
        // Once anything was forgotten or missed, this may have been: others may hold its older
        // columns.
        let (changed, mixed) = (self.incomplete, self.incomplete);
        let entry =
            CatalogEntry { changed, mixed, ..CatalogEntry::new(statement, table, self.uses) };
        let key = self.entries.insert(entry);
        self.by_id.insert(id, key);
        key
    }

    fn make_room(&mut self) {
        while self.bytes > self.bytes_max && !self.entries.is_empty() {
            self.evict();
        }
    }

    /// Takes note of the columns that a node reports for a statement; clients may hold others.
    pub fn compare(&mut self, id: &[u8], result_metadata: &[u8]) {
        if let Some(key) = self.by_id.get(id).copied()
            && let Some(entry) = self.entries.get_mut(key)
        {
            entry.on_prepared(result_metadata);
        }
    }

    /// Takes note of the columns that rows of a statement describe; clients may hold others.
    pub fn on_described_rows(&mut self, key: StatementKey, message: &[u8]) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.on_described_rows(message);
        }
    }

    /// The statement of an id, without counting it as used.
    #[must_use]
    pub fn peek(&self, id: &[u8]) -> Option<&Arc<Statement>> {
        let entry = self.entries.get(*self.by_id.get(id)?)?;
        Some(&entry.statement)
    }

    /// Finds a statement by the id that a client sent.
    #[inline]
    pub fn find(&mut self, id: &[u8]) -> Option<(StatementKey, &CatalogEntry)> {
        let key = *self.by_id.get(id)?;
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.uses;
        entry.requests += 1;
        Some((key, entry))
    }

    /// A node answered a request for a statement, `waited_us` after it had arrived. Its table, if known.
    #[inline]
    pub fn on_answer(&mut self, key: StatementKey, waited_us: u64) -> Option<TableId> {
        let entry = self.entries.get_mut(key)?;
        if entry.answered.is_multiple_of(SAMPLED) {
            entry.sample.record(waited_us);
        }
        entry.answered += 1;
        entry.waited_us += waited_us;
        entry.table
    }

    /// The statement of `key`, unless it was forgotten.
    #[must_use]
    pub fn get(&self, key: StatementKey) -> Option<&CatalogEntry> {
        self.entries.get(key)
    }

    /// Takes note that `table` of `keyspace` changed, or all of the keyspace when `None`: rows may
    /// come with other columns than clients hold.
    pub fn on_schema_change(&mut self, keyspace: &str, table: Option<&str>) {
        for key in self.entries.keys() {
            let Some(entry) = self.entries.get_mut(key) else { continue };
            let same = match &entry.statement.table {
                Some((of, name)) => &**of == keyspace && table.is_none_or(|table| table == &**name),
                None => true,
            };
            entry.changed |= same;
            // Nodes forget the statements of a table that changed.
            entry.spread &= !same;
        }
    }

    /// Takes note that a statement's rows have other columns now than some client holds.
    pub fn on_columns_changed(&mut self, key: StatementKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.changed = true;
        }
    }

    /// Takes note that clients hold statements which were never recorded here, or other columns of
    /// those that were.
    pub fn on_missed(&mut self) {
        self.incomplete = true;
        for key in self.entries.keys() {
            if let Some(entry) = self.entries.get_mut(key) {
                (entry.changed, entry.mixed) = (true, true);
            }
        }
    }

    /// Every statement with what was worked out for it, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &CatalogEntry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// Some statements from place `first` on, and the place to go on at; `None` when there is no more.
    #[must_use]
    pub fn part(&self, first: usize, count: usize) -> (Vec<&CatalogEntry>, Option<usize>) {
        let next = first.saturating_add(count);
        let next = (next < self.entries.slots()).then_some(next);
        (self.entries.part(first, count).collect(), next)
    }

    /// Whether clients may hold columns that are not recorded here.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Takes back a statement that an earlier process recorded, with what that knew of the columns that clients
    /// hold. One that is here already is newer and stays; `false` then.
    pub fn restore(&mut self, restored: Restored, table: Option<TableId>) -> bool {
        let Restored { statement, changed, mixed, writes, used } = restored;
        if self.by_id.contains_key(&statement.id) {
            return false;
        }
        self.uses = self.uses.max(used);
        self.bytes += statement.weight();
        self.make_room();
        let id = statement.id.clone();
        let entry = CatalogEntry {
            // A client that was handed over may hold columns from before.
            changes: u32::from(changed),
            changed: changed || self.incomplete,
            mixed: mixed || self.incomplete,
            writes,
            ..CatalogEntry::new(statement, table, used)
        };
        let key = self.entries.insert(entry);
        self.by_id.insert(id, key);
        true
    }

    /// Takes note that statements were forgotten before this process began.
    pub fn set_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// Takes note that all nodes were asked to prepare a statement.
    pub fn on_spread(&mut self, key: StatementKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.spread = true;
        }
    }

    /// Every statement: first those that were used more than once, and of these the most recently
    /// used.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Statement>> {
        let mut all: Vec<_> = self.entries.iter().map(|(_, entry)| entry).collect();
        all.sort_by_key(|entry| std::cmp::Reverse((entry.is_used_again(), entry.used)));
        all.into_iter().map(|entry| Arc::clone(&entry.statement)).collect()
    }

    /// Number of statements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that the statements take, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets a share of the statements, those that were not used for longest: who prepares a
    /// new text for each request must not pay for a walk over all of them each time.
    fn evict(&mut self) {
        let mut uses: Vec<(u64, StatementKey)> =
            self.entries.iter().map(|(key, entry)| (entry.used, key)).collect();
        let share = (uses.len() / EVICTED_PART).max(1);
        let last = share.min(uses.len()).saturating_sub(1);
        if uses.is_empty() {
            return;
        }
        uses.select_nth_unstable_by_key(last, |(used, _)| *used);
        for (_, key) in uses.into_iter().take(share) {
            if let Some(entry) = self.entries.remove(key) {
                self.bytes -= entry.statement.weight();
                self.by_id.remove(&entry.statement.id);
                self.evicted += 1;
                self.incomplete = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cql::statement::write_type::WriteType;

    fn statement(id: u8, columns: &[u8]) -> Arc<Statement> {
        Arc::new(Statement {
            id: Box::new([id; 16]),
            text: "SELECT v FROM ks.t WHERE k = ?".into(),
            keyspace: None,
            table: Some(("ks".into(), "t".into())),
            pk_indexes: vec![0],
            names: vec!["k".into()],
            lwt: false,
            is_read: true,
            write_type: WriteType::Unknown,
            result_metadata: columns.into(),
            metadata_id: columns.into(),
        })
    }

    #[test]
    fn the_statement_unused_for_longest_makes_room() {
        let weight = statement(1, b"v").weight();
        let mut catalog = Catalog::new(2 * weight);
        catalog.record(statement(1, b"v"), None);
        catalog.record(statement(2, b"v"), None);
        assert!(catalog.find(&[1; 16]).is_some());
        catalog.record(statement(3, b"v"), None);

        assert!(catalog.find(&[2; 16]).is_none());
        assert!(catalog.find(&[1; 16]).is_some() && catalog.find(&[3; 16]).is_some());
        assert_eq!((catalog.len(), catalog.bytes(), catalog.evicted), (2, 2 * weight, 1));
    }

    #[test]
    fn a_statement_counts_with_its_places_in_the_catalog() {
        let mut catalog = Catalog::new(1 << 20);
        for id in 0..100 {
            catalog.record(statement(id, b"v"), None);
        }
        // A slot of the table of entries, of which half may be free, and an id with its key.
        let tables = catalog.len() * (2 * size_of::<CatalogEntry>() + size_of::<StatementKey>());
        let statements = catalog.len() * size_of::<Statement>();
        assert!(catalog.bytes() > tables + statements);
    }

    #[test]
    fn a_statement_that_grew_makes_room_as_well() {
        let weight = statement(1, b"v").weight();
        let mut catalog = Catalog::new(2 * weight);
        catalog.record(statement(1, b"v"), None);
        catalog.record(statement(2, b"v"), None);
        catalog.record(statement(2, b"v,w"), None);
        assert!(catalog.find(&[1; 16]).is_none() && catalog.find(&[2; 16]).is_some());
        assert!(catalog.bytes() <= 2 * weight);
    }

    #[test]
    fn a_statement_that_was_once_no_select_is_never_taken_for_a_read() {
        let write = Arc::new(Statement { is_read: false, ..(*statement(1, b"v")).clone() });
        for order in [[&statement(1, b"v"), &write], [&write, &statement(1, b"v")]] {
            let mut catalog = Catalog::new(1 << 20);
            let keys = order.map(|it| catalog.record(Arc::clone(it), None));
            assert!(catalog.get(keys[1]).unwrap().writes);
        }
    }

    #[test]
    fn a_statement_of_one_id_in_two_keyspaces_belongs_to_none() {
        let of = |keyspace: Option<&str>| {
            let keyspace = keyspace.map(Arc::from);
            Arc::new(Statement { keyspace, ..(*statement(1, b"v")).clone() })
        };
        for order in [[None, Some("a")], [Some("a"), None], [Some("a"), Some("b")]] {
            let mut catalog = Catalog::new(1 << 20);
            let keys = order.map(|keyspace| catalog.record(of(keyspace), None));
            assert_eq!(catalog.get(keys[1]).unwrap().statement.keyspace, None, "{order:?}");
        }
        let mut catalog = Catalog::new(1 << 20);
        let keys = [0, 1].map(|_| catalog.record(of(Some("a")), None));
        assert_eq!(catalog.get(keys[1]).unwrap().statement.keyspace.as_deref(), Some("a"));
    }

    #[test]
    fn other_columns_under_a_known_id_are_noticed() {
        let mut catalog = Catalog::new(1 << 20);
        let key = catalog.record(statement(1, b"v"), None);
        catalog.record(statement(1, b"v"), None);
        assert!(!catalog.get(key).unwrap().changed);
        assert_eq!(catalog.get(key).unwrap().held_metadata_id(), b"v");
        catalog.record(statement(1, b"v,w"), None);
        assert!(catalog.get(key).unwrap().changed);
        assert_eq!(catalog.get(key).unwrap().held_metadata_id(), b"", "the holders are not known");
    }

    #[test]
    fn a_statement_that_comes_back_may_have_had_other_columns() {
        let weight = statement(1, b"v").weight();
        let mut catalog = Catalog::new(weight);
        let first = catalog.record(statement(1, b"v"), None);
        assert!(!catalog.get(first).unwrap().changed);
        catalog.record(statement(2, b"v"), None);
        let again = catalog.record(statement(1, b"v,w"), None);
        assert!(catalog.get(again).unwrap().changed);
    }

    #[test]
    fn a_catalog_that_missed_statements_knows_no_holders() {
        let mut catalog = Catalog::new(1 << 20);
        let before = catalog.record(statement(1, b"v"), None);
        catalog.on_missed();
        let after = catalog.record(statement(2, b"v"), None);
        for key in [before, after] {
            let entry = catalog.get(key).unwrap();
            assert!(entry.changed && entry.held_metadata_id().is_empty());
        }
    }

    #[test]
    fn a_changed_table_marks_its_statements_alone() {
        let mut catalog = Catalog::new(1 << 20);
        let key = catalog.record(statement(1, b"v"), None);
        catalog.on_schema_change("ks", Some("other"));
        assert!(!catalog.get(key).unwrap().changed);
        catalog.on_schema_change("ks", Some("t"));
        assert!(catalog.get(key).unwrap().changed);
    }
}
