//! The partition keys of tables that statements by text have named: soft state, bounded.
//!
//! A key is read when a statement first names its table, and forgotten with the table's schema
//! events. Until it is here, and where there is no room for it, statements by text of that table are
//! routed without a key. A question that finds no room waits for it, and one that is lost is asked again a few
//! times: also for a table that no further statement names.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::topology::table::TableId;
use crate::topology::table_key::{KeyColumn, TableKey};

/// Tables whose keys are kept. Beyond that, those that have been here for longest make room.
const TABLES_MAX: usize = 16_384;

/// Heap that they may take together, in bytes.
const BYTES_MAX: usize = 4 << 20;

/// Keys that are asked for and not here yet. Further ones wait.
const ASKED_MAX: usize = 64;

/// Keys that wait to be asked for. Further ones are asked for when a statement names them again.
const WAITING_MAX: usize = 1_024;

/// Time after which a key is asked for again: the first question may be lost.
const ASK_AGAIN_US: u64 = 2_000_000;

/// Times that a key is asked for without an answer, before a statement has to name it again.
const TRIES_MAX: u32 = 8;

/// Longest name of a keyspace or table that is asked for, in bytes: no server has longer ones.
const NAME_LEN_MAX: usize = 255;

type Names = (Arc<str>, Arc<str>);

/// The keys of tables, by keyspace and table.
#[derive(Debug, Default)]
pub(crate) struct TableKeys {
    by_keyspace: HashMap<Arc<str>, HashMap<Arc<str>, KnownTable, Hasher>, Hasher>,
    /// Every table that is known, oldest first, with some that were forgotten meanwhile.
    order: VecDeque<(Names, u64)>,
    asked: VecDeque<Asked>,
    /// Tables by keyspace that wait to be asked for, and how often each was asked for in vain.
    waiting: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    waiting_len: usize,
    len: usize,
    bytes: usize,
    /// Counts what was learned, so that entries of `order` are distinguished from later ones of the same
    /// table.
    serial: u64,
}

type Hasher = foldhash::fast::RandomState;

/// What is known of a table that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct KnownTable {
    /// Its number; `None` when there is no such table, or no number left.
    pub id: Option<TableId>,
    key: Arc<TableKey>,
    serial: u64,
}

#[derive(Debug)]
struct Asked {
    names: Names,
    at_us: u64,
    /// How often it was asked for in vain before.
    tries: u32,
}

impl KnownTable {
    /// The columns of its partition key, in the key's order; `None` when there is no such table.
    #[must_use]
    pub(crate) fn columns(&self) -> Option<&[KeyColumn]> {
        self.key.columns.as_deref()
    }
}

impl TableKeys {
    /// Finds a table; `None` when it was not read yet, or was forgotten.
    #[must_use]
    pub(crate) fn find(&self, keyspace: &str, table: &str) -> Option<&KnownTable> {
        self.by_keyspace.get(keyspace)?.get(table)
    }

    /// Whether to ask for a key now, and takes note that it is asked for; `now_us` is of a clock
    /// that never goes back.
    #[must_use]
    pub(crate) fn ask(
        &mut self,
        keyspace: &str,
        table: &str,
        now_us: u64,
    ) -> Option<(Arc<str>, Arc<str>)> {
        self.expire(now_us);
        let is_it = |asked: &Asked| is_named(&asked.names, keyspace, table);
        let is_long = keyspace.len().max(table.len()) > NAME_LEN_MAX;
        if is_long || self.asked.iter().any(is_it) {
            return None;
        }
        if self.asked.len() >= ASKED_MAX {
            self.wait(keyspace, table, 0);
            return None;
        }
        self.unwait(keyspace, table);
        let names: Names = (keyspace.into(), table.into());
        self.asked.push_back(Asked { names: names.clone(), at_us: now_us, tries: 0 });
        Some(names)
    }

    /// The tables to ask for now that there is room: those that found none, and those whose question was lost.
    #[must_use]
    pub(crate) fn ask_waiting(&mut self, now_us: u64) -> Vec<(Arc<str>, Arc<str>)> {
        self.expire(now_us);
        let mut next = Vec::new();
        while self.asked.len() < ASKED_MAX
            && let Some((names, tries)) = self.next_waiting()
        {
            self.asked.push_back(Asked { names: names.clone(), at_us: now_us, tries });
            next.push(names);
        }
        next
    }

    /// Has what was asked for long ago without an answer wait once more.
    fn expire(&mut self, now_us: u64) {
        let is_over = |asked: &Asked| now_us.saturating_sub(asked.at_us) >= ASK_AGAIN_US;
        while self.asked.front().is_some_and(is_over)
            && let Some(Asked { names, tries, .. }) = self.asked.pop_front()
        {
            if tries + 1 < TRIES_MAX {
                self.wait(&names.0, &names.1, tries + 1);
            }
        }
    }

    fn wait(&mut self, keyspace: &str, table: &str, tries: u32) {
        let waits = self.waiting.get(keyspace).is_some_and(|tables| tables.contains_key(table));
        if !waits && self.waiting_len < WAITING_MAX {
            let tables = self.waiting.entry(keyspace.into()).or_default();
            tables.insert(table.into(), tries);
            self.waiting_len += 1;
        }
    }

    fn unwait(&mut self, keyspace: &str, table: &str) {
        let Some(tables) = self.waiting.get_mut(keyspace) else { return };
        self.waiting_len -= usize::from(tables.remove(table).is_some());
        if tables.is_empty() {
            self.waiting.remove(keyspace);
        }
    }

    fn next_waiting(&mut self) -> Option<(Names, u32)> {
        let (keyspace, tables) = self.waiting.first_key_value()?;
        let (table, tries) = tables.first_key_value()?;
        let next = ((Arc::clone(keyspace), Arc::clone(table)), *tries);
        self.unwait(&next.0.0, &next.0.1);
        Some(next)
    }

    /// Takes a key that was read, with the table's number.
    pub(crate) fn learn(&mut self, key: Arc<TableKey>, id: Option<TableId>) {
        let names = (Arc::clone(&key.keyspace), Arc::clone(&key.table));
        self.asked.retain(|asked| asked.names != names);
        self.unwait(&names.0, &names.1);
        self.remove(&names.0, &names.1);
        self.serial += 1;
        self.len += 1;
        self.bytes += key.weight();
        let known = KnownTable { id, key, serial: self.serial };
        self.by_keyspace
            .entry(Arc::clone(&names.0))
            .or_default()
            .insert(Arc::clone(&names.1), known);
        self.order.push_back((names, self.serial));
        self.make_room();
    }

    /// Forgets a table of `keyspace`, or all of it: its schema has changed.
    pub(crate) fn forget(&mut self, keyspace: &str, table: Option<&str>) {
        match table {
            Some(table) => self.remove(keyspace, table),
            None => {
                let gone = self.by_keyspace.remove(keyspace).unwrap_or_default();
                for known in gone.values() {
                    self.len -= 1;
                    self.bytes -= known.key.weight();
                }
            }
        }
    }

    /// Forgets all keys: schema events may have been missed. What was asked for stays wanted.
    pub(crate) fn clear(&mut self) {
        let before = std::mem::take(self);
        let Self { asked, waiting, waiting_len, serial, .. } = before;
        *self = Self { asked, waiting, waiting_len, serial, ..Self::default() };
    }

    /// Some keys from place `first` on, oldest first, and the place to go on at; `None` when there is no more.
    #[must_use]
    pub(crate) fn part(&self, first: usize, count: usize) -> (Vec<Arc<TableKey>>, Option<usize>) {
        let places = self.order.iter().skip(first).take(count);
        let known = places.filter_map(|((keyspace, table), serial)| {
            let known = self.find(keyspace, table)?;
            (known.serial == *serial).then(|| Arc::clone(&known.key))
        });
        let next = first.saturating_add(count);
        (known.collect(), (next < self.order.len()).then_some(next))
    }

    fn remove(&mut self, keyspace: &str, table: &str) {
        let Some(tables) = self.by_keyspace.get_mut(keyspace) else { return };
        if let Some(known) = tables.remove(table) {
            self.len -= 1;
            self.bytes -= known.key.weight();
        }
        if tables.is_empty() {
            self.by_keyspace.remove(keyspace);
        }
    }

    fn make_room(&mut self) {
        while self.len > TABLES_MAX || self.bytes > BYTES_MAX {
            let Some(((keyspace, table), serial)) = self.order.pop_front() else { return };
            if self.find(&keyspace, &table).is_some_and(|known| known.serial == serial) {
                self.remove(&keyspace, &table);
            }
        }
        // Tables that come and go leave entries behind, which are cleared away now and then.
        if self.order.len() > 2 * self.len + ASKED_MAX {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|((keyspace, table), serial)| {
                self.find(keyspace, table).is_some_and(|known| known.serial == *serial)
            });
            self.order = order;
        }
    }
}

fn is_named(names: &Names, keyspace: &str, table: &str) -> bool {
    &*names.0 == keyspace && &*names.1 == table
}

#[cfg(test)]
mod tests {
    use super::*;
    use cql::values::column_type::ColumnType;

    fn key(keyspace: &str, table: &str, name: &str) -> Arc<TableKey> {
        let column = KeyColumn { name: name.into(), kind: ColumnType::Int };
        let columns = Some(vec![column].into_boxed_slice());
        Arc::new(TableKey {
            keyspace: keyspace.into(),
            table: table.into(),
            columns,
            is_absent: false,
        })
    }

    #[test]
    fn a_key_is_known_until_its_table_changes() {
        let mut keys = TableKeys::default();
        keys.learn(key("ks", "t", "k"), Some(TableId(3)));
        keys.learn(key("ks", "u", "k"), Some(TableId(4)));
        let known = keys.find("ks", "t").unwrap();
        assert_eq!((known.id, &*known.columns().unwrap()[0].name), (Some(TableId(3)), "k"));
        keys.forget("ks", Some("t"));
        assert!(keys.find("ks", "t").is_none() && keys.find("ks", "u").is_some());
        keys.forget("ks", None);
        assert!(keys.len == 0);
        assert_eq!(keys.bytes, 0);
    }

    #[test]
    fn a_table_that_is_not_there_is_known_not_to_be() {
        let mut keys = TableKeys::default();
        let absent =
            TableKey { keyspace: "ks".into(), table: "t".into(), columns: None, is_absent: true };
        keys.learn(Arc::new(absent), None);
        assert_eq!(keys.find("ks", "t").unwrap().columns(), None);
    }

    #[test]
    fn a_key_is_asked_for_once_and_again_when_no_answer_came() {
        let mut keys = TableKeys::default();
        assert!(keys.ask("ks", "t", 0).is_some());
        assert!(keys.ask("ks", "t", ASK_AGAIN_US - 1).is_none());
        assert!(keys.ask("ks", "t", ASK_AGAIN_US).is_some());
        keys.learn(key("ks", "t", "k"), None);
        keys.forget("ks", Some("t"));
        assert!(keys.ask("ks", "t", ASK_AGAIN_US + 1).is_some());
    }

    #[test]
    fn few_keys_are_asked_for_at_the_same_time() {
        let mut keys = TableKeys::default();
        let asked = (0..200).filter(|table| keys.ask("ks", &table.to_string(), 7).is_some());
        assert_eq!(asked.count(), ASKED_MAX);
        assert!(keys.ask("ks", "199", ASK_AGAIN_US + 7).is_some());
    }

    #[test]
    fn keys_that_found_no_room_are_asked_for_once_there_is_some() {
        let mut keys = TableKeys::default();
        let names: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let first: Vec<_> = names.iter().filter_map(|name| keys.ask("ks", name, 7)).collect();
        assert_eq!((first.len(), keys.ask_waiting(8)), (ASKED_MAX, vec![]));
        for (_, table) in &first {
            keys.learn(key("ks", table, "k"), None);
        }
        let mut asked = first;
        while let next = keys.ask_waiting(9)
            && !next.is_empty()
        {
            assert!(next.len() <= ASKED_MAX);
            next.iter().for_each(|(_, table)| keys.learn(key("ks", table, "k"), None));
            asked.extend(next);
        }
        assert_eq!((asked.len(), keys.len, keys.waiting_len), (200, 200, 0));
    }

    #[test]
    fn a_key_whose_question_is_lost_is_asked_for_a_few_times() {
        let mut keys = TableKeys::default();
        assert!(keys.ask("ks", "t", 0).is_some());
        keys.clear();
        let asked = |keys: &mut TableKeys, time: u64| keys.ask_waiting(time * ASK_AGAIN_US).len();
        assert_eq!(keys.ask_waiting(ASK_AGAIN_US - 1), []);
        let again: usize = (1..100).map(|time| asked(&mut keys, time)).sum();
        assert_eq!(again + 1, usize::try_from(TRIES_MAX).unwrap());
        assert!(keys.ask("ks", "t", 100 * ASK_AGAIN_US).is_some(), "a statement names it");
        assert_eq!(asked(&mut keys, 101), 1);
    }

    #[test]
    fn keys_that_wait_are_bounded() {
        let mut keys = TableKeys::default();
        for table in 0..5_000 {
            keys.ask("ks", &table.to_string(), 0).into_iter().for_each(drop);
        }
        assert_eq!((keys.waiting_len, keys.asked.len()), (WAITING_MAX, ASKED_MAX));
    }

    #[test]
    fn no_key_is_asked_for_by_a_name_that_no_table_has() {
        let mut keys = TableKeys::default();
        assert!(keys.ask("ks", &"t".repeat(256), 0).is_none());
        assert!(keys.ask(&"k".repeat(256), "t", 0).is_none());
        assert!(keys.ask("ks", &"t".repeat(255), 0).is_some());
    }

    #[test]
    fn the_oldest_keys_make_room() {
        let mut keys = TableKeys::default();
        let long = "k".repeat(BYTES_MAX / 4);
        for table in ["a", "b", "c", "d", "e"] {
            keys.learn(key("ks", table, &long), None);
        }
        assert!(keys.bytes <= BYTES_MAX && keys.find("ks", "a").is_none());
        assert!(keys.find("ks", "e").is_some());
    }

    #[test]
    fn a_key_that_is_learned_again_and_again_takes_its_room_once() {
        let mut keys = TableKeys::default();
        for _ in 0..10_000 {
            keys.learn(key("ks", "t", "k"), None);
        }
        assert_eq!((keys.len, keys.bytes), (1, key("ks", "t", "k").weight()));
        assert!(keys.order.len() < 1_000, "{}", keys.order.len());
    }
}
