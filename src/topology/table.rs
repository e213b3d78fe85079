//! Tables by number, so that no name is compared on the road.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most tables that get a number. A cluster with more serves the rest without tablets: their
/// requests go to any node.
pub const TABLES_MAX: usize = 65_536;

/// Our number for a table or view. A table that is dropped and made anew keeps it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TableId(pub u32);

/// The numbers given so far, and the names they stand for.
#[derive(Debug, Default)]
pub struct Tables {
    ids: BTreeMap<Arc<str>, BTreeMap<Arc<str>, TableId>>,
    names: Vec<(Arc<str>, Arc<str>)>,
    /// Tables that the schema has no more.
    dropped: BTreeSet<TableId>,
    /// Tables of which it is not known whether the schema still has them.
    unconfirmed: BTreeSet<TableId>,
}

impl Tables {
    /// Gives a table of the schema its number, or finds the one it has. None once [`TABLES_MAX`] are
    /// given.
    pub fn intern(&mut self, keyspace: &str, table: &str) -> Option<TableId> {
        if let Some(id) = self.get(keyspace, table) {
            self.set_present(id, true);
            return Some(id);
        }
        if self.names.len() >= TABLES_MAX {
            return None;
        }
        let id = TableId(u32::try_from(self.names.len()).ok()?);
        let known = self.ids.get_key_value(keyspace).map(|(name, _)| Arc::clone(name));
        let keyspace = known.unwrap_or_else(|| keyspace.into());
        let table: Arc<str> = table.into();
        self.ids.entry(Arc::clone(&keyspace)).or_default().insert(Arc::clone(&table), id);
        self.names.push((keyspace, table));
        Some(id)
    }

    /// Finds the number of a table that has one.
    #[must_use]
    pub fn get(&self, keyspace: &str, table: &str) -> Option<TableId> {
        self.ids.get(keyspace)?.get(table).copied()
    }

    /// Names a table: keyspace and table.
    #[must_use]
    pub fn name(&self, id: TableId) -> Option<(&str, &str)> {
        let (keyspace, table) = self.names.get(usize::try_from(id.0).ok()?)?;
        Some((keyspace, table))
    }

    /// Lists the numbered tables of a keyspace, as they must be forgotten when it is dropped.
    pub fn of_keyspace(&self, keyspace: &str) -> impl Iterator<Item = TableId> + '_ {
        self.ids.get(keyspace).into_iter().flat_map(|tables| tables.values().copied())
    }

    /// Takes note whether the schema has a table, or has it no more.
    pub fn set_present(&mut self, id: TableId, is_present: bool) {
        if is_present {
            self.dropped.remove(&id);
        } else {
            self.dropped.insert(id);
        }
        self.unconfirmed.remove(&id);
    }

    /// Whether the schema has a table, as far as is known.
    #[must_use]
    pub fn is_present(&self, id: TableId) -> bool {
        !self.dropped.contains(&id)
    }

    /// Takes note that a table may have been dropped without our knowledge.
    pub fn set_unconfirmed(&mut self, id: TableId) {
        self.unconfirmed.insert(id);
    }

    /// The same of all tables that were not dropped.
    pub fn set_all_unconfirmed(&mut self) {
        let all = (0..).map(TableId).take(self.names.len());
        self.unconfirmed = all.filter(|id| !self.dropped.contains(id)).collect();
    }

    /// Hands out a table that may have been dropped, once.
    pub fn take_unconfirmed(&mut self) -> Option<TableId> {
        self.unconfirmed.pop_first()
    }

    /// Counts the numbers given.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no number was given yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_its_number() {
        let mut tables = Tables::default();
        let t = tables.intern("ks", "t").unwrap();
        let other = tables.intern("ks2", "t").unwrap();
        assert_ne!(t, other);
        assert_eq!(tables.intern("ks", "t"), Some(t));
        assert_eq!(tables.get("ks", "t"), Some(t));
        assert_eq!(tables.get("ks", "u"), None);
        assert_eq!(tables.name(other), Some(("ks2", "t")));
        assert_eq!(tables.name(TableId(2)), None);
        assert_eq!(tables.of_keyspace("ks").collect::<Vec<_>>(), [t]);
    }

    #[test]
    fn a_table_is_present_until_it_is_dropped_and_again_when_it_is_made_anew() {
        let mut tables = Tables::default();
        let ids = ["t", "u", "v"].map(|name| tables.intern("ks", name).unwrap());
        assert!(ids.iter().all(|id| tables.is_present(*id)));
        tables.set_present(ids[1], false);
        assert!(tables.is_present(ids[0]) && !tables.is_present(ids[1]));
        tables.set_all_unconfirmed();
        assert!(!tables.is_present(ids[1]), "nothing says that it is there");
        assert_eq!(tables.intern("ks", "t"), Some(ids[0]));
        assert_eq!(tables.take_unconfirmed(), Some(ids[2]), "a statement names the first one");
        assert_eq!(tables.take_unconfirmed(), None);
        assert_eq!(tables.intern("ks", "u"), Some(ids[1]));
        assert!(tables.is_present(ids[1]));
    }

    #[test]
    fn numbers_run_out_and_known_tables_keep_theirs() {
        let mut tables = Tables::default();
        for index in 0..TABLES_MAX {
            assert!(tables.intern("ks", &index.to_string()).is_some());
        }
        assert_eq!(tables.intern("ks", "one more"), None);
        assert_eq!(tables.intern("ks", "7"), Some(TableId(7)));
        assert_eq!(tables.len(), TABLES_MAX);
    }
}
