//! Schema changes and the nodes that have not seen them yet.
//!
//! All nodes share one database, so a change is there at once. A node hides the changes that it has
//! not seen: a table created since is `unconfigured`, and its `schema_version` is an older one.

use std::collections::VecDeque;

use crate::store::execution::outcome::{Change, SchemaChange, Target};

/// The schema changes that some node may not have seen.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// One entry for each schema statement.
    recent: VecDeque<Vec<SchemaChange>>,
    /// How many entries were dropped from the front.
    forgotten: u64,
}

impl History {
    /// How many schema statements there were.
    #[must_use]
    pub(crate) fn len(&self) -> u64 {
        self.forgotten + u64::try_from(self.recent.len()).unwrap_or(u64::MAX)
    }

    /// Adds what one statement changed.
    pub(crate) fn push(&mut self, changes: Vec<SchemaChange>) {
        self.recent.push_back(changes);
    }

    /// The changes of statements after number `seen`, up to number `until`.
    pub(crate) fn between(&self, seen: u64, until: u64) -> impl Iterator<Item = &SchemaChange> {
        let skip = usize::try_from(seen.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        let count = usize::try_from(until.saturating_sub(seen)).unwrap_or(usize::MAX);
        self.recent.iter().skip(skip).take(count).flatten()
    }

    /// Drops the changes that every node has seen.
    pub(crate) fn forget(&mut self, seen_by_all: u64) {
        while self.forgotten < seen_by_all && self.recent.pop_front().is_some() {
            self.forgotten += 1;
        }
    }

    /// The error text of a node that has seen `seen` statements for a table created later; else `None`.
    #[must_use]
    pub(crate) fn hides(&self, seen: u64, keyspace: &str, table: &str) -> Option<String> {
        if seen >= self.len() {
            return None;
        }
        let unheard = self.between(seen, self.len());
        let created = unheard.filter(|it| it.change == Change::Created && it.keyspace == keyspace);
        for change in created {
            match change.target {
                Target::Keyspace => return Some(format!("Keyspace {keyspace} does not exist")),
                Target::Table if change.name == table => {
                    return Some(format!("unconfigured table {table}"));
                }
                Target::Table | Target::Type => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(target: Target, name: &str) -> Vec<SchemaChange> {
        let (keyspace, name) = ("ks".to_owned(), name.to_owned());
        vec![SchemaChange { change: Change::Created, target, keyspace, name }]
    }

    #[test]
    fn a_node_does_not_know_changes_that_it_has_not_seen() {
        let mut history = History::default();
        history.push(created(Target::Keyspace, ""));
        history.push(created(Target::Table, "t"));
        assert_eq!(history.hides(0, "ks", "t").unwrap(), "Keyspace ks does not exist");
        assert_eq!(history.hides(1, "ks", "t").unwrap(), "unconfigured table t");
        assert_eq!(history.hides(1, "ks", "other"), None);
        assert_eq!(history.hides(2, "ks", "t"), None);
    }

    #[test]
    fn changes_that_all_nodes_have_seen_are_dropped_and_still_counted() {
        let mut history = History::default();
        history.push(created(Target::Keyspace, ""));
        history.push(created(Target::Table, "t"));
        history.forget(1);
        assert_eq!(history.len(), 2);
        assert_eq!(history.between(1, 2).count(), 1);
        assert!(history.hides(1, "ks", "t").is_some());
    }
}
