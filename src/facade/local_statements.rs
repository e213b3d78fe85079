//! Statements that were prepared here, by id: soft state, bounded by bytes.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::facade::text::select::Select;
use crate::facade::text::statement_id::ID_LEN;
use cql::notation::{put_int, put_short_bytes};
use cql::response::result::ResultKind;

/// Bytes of all statements at most. Drivers prepare a handful, of 100 bytes each.
const BYTES_MAX: usize = 1 << 20;
/// Bytes that an entry takes besides its statement.
const ENTRY_BYTES: usize = 64;

/// A statement that was prepared here.
#[derive(Debug)]
pub(crate) enum LocalStatement {
    /// A SELECT from a table that is answered here.
    Select(Box<Select>),
    /// A `USE` of this keyspace.
    Use(String),
}

/// Statements that were prepared here.
#[derive(Debug, Default)]
pub(crate) struct LocalStatements {
    by_id: HashMap<[u8; ID_LEN], Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    statement: Arc<LocalStatement>,
    /// Whether it was run, or prepared again, since there was no room last.
    is_used: Cell<bool>,
}

impl LocalStatement {
    /// Bytes that it takes, roughly.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        let own = match self {
            Self::Select(select) => select.weight(),
            Self::Use(keyspace) => keyspace.len(),
        };
        own + ENTRY_BYTES
    }
}

impl LocalStatements {
    /// Keeps a statement. When there is no room those are forgotten that nothing has used since that was so
    /// last: their drivers prepare them again when they get UNPREPARED.
    pub(crate) fn insert(&mut self, id: [u8; ID_LEN], statement: LocalStatement) {
        let weight = statement.weight();
        if self.bytes + weight > BYTES_MAX {
            self.make_room();
        }
        self.bytes += weight;
        let (statement, is_used) = (Arc::new(statement), Cell::new(self.by_id.contains_key(&id)));
        if let Some(before) = self.by_id.insert(id, Kept { statement, is_used }) {
            self.bytes -= before.statement.weight();
        }
    }

    /// Forgets what was not used; all of it where that leaves less than half of the room.
    fn make_room(&mut self) {
        self.by_id.retain(|_, kept| kept.is_used.replace(false));
        self.bytes = self.by_id.values().map(|kept| kept.statement.weight()).sum();
        if self.bytes > BYTES_MAX / 2 {
            self.by_id.clear();
            self.bytes = 0;
        }
    }

    /// The statement of an id.
    #[must_use]
    pub(crate) fn get(&self, id: &[u8]) -> Option<Arc<LocalStatement>> {
        let kept = self.by_id.get(id)?;
        kept.is_used.set(true);
        Some(Arc::clone(&kept.statement))
    }

    /// The number of statements.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Bytes that they take, roughly.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The message of RESULT Prepared for a `USE`: no markers, no columns.
#[must_use]
pub(crate) fn prepared_use(id: &[u8; ID_LEN], version: u8) -> Vec<u8> {
    let mut out = Vec::new();
    put_int(&mut out, ResultKind::Prepared.code());
    put_short_bytes(&mut out, id);
    let counts = if version >= 4 { 3 } else { 2 };
    for _ in 0..counts {
        put_int(&mut out, 0);
    }
    put_int(&mut out, 4);
    put_int(&mut out, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyspace(len: usize) -> LocalStatement {
        LocalStatement::Use("k".repeat(len))
    }

    #[test]
    fn many_large_statements_take_no_more_than_the_bound() {
        let mut statements = LocalStatements::default();
        for number in 0..100_u8 {
            statements.insert([number; ID_LEN], keyspace(60_000));
            assert!(statements.bytes() <= BYTES_MAX);
            assert!(statements.get(&[number; ID_LEN]).is_some(), "the newest is kept");
        }
        assert!((1..100).contains(&statements.len()));
    }

    #[test]
    fn statements_in_use_stay_however_many_large_ones_others_prepare() {
        let mut statements = LocalStatements::default();
        let used = [255; ID_LEN];
        statements.insert(used, keyspace(10));
        for number in 0..100_u8 {
            statements.insert([number; ID_LEN], keyspace(60_000));
            assert!(statements.get(&used).is_some(), "after {number} others");
        }
        for number in 0..100_u8 {
            statements.insert([number; ID_LEN], keyspace(60_000));
        }
        assert!(statements.get(&used).is_none(), "what is used no more is forgotten");
    }

    #[test]
    fn a_statement_that_is_prepared_again_counts_once() {
        let mut statements = LocalStatements::default();
        statements.insert([1; ID_LEN], keyspace(10));
        let once = statements.bytes();
        statements.insert([1; ID_LEN], keyspace(10));
        assert_eq!((statements.bytes(), statements.len()), (once, 1));
        assert!(statements.get(&[2; ID_LEN]).is_none() && statements.get(&[1; 3]).is_none());
    }
}
