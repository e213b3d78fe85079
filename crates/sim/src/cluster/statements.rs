//! Prepared statements as a shard keeps them.

use std::sync::Arc;

use foldhash::HashMap;

use crate::store::plans::prepared::Prepared;

/// MD5 of the keyspace in `USE` and the text.
pub(crate) type StatementId = [u8; 16];

/// Statements that one shard keeps at most; the real server's bound is in bytes of memory.
const STATEMENTS_MAX: usize = 65_536;

/// A prepared statement with its ids.
#[derive(Debug)]
pub(crate) struct Statement {
    /// What EXECUTE names.
    pub id: StatementId,
    /// The statement.
    pub prepared: Arc<Prepared>,
    /// Id of its result metadata (SCYLLA_USE_METADATA_ID).
    pub metadata_id: [u8; 16],
}

/// The statements of one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    statements: HashMap<StatementId, Arc<Statement>>,
}

impl Cache {
    /// The statement with this id, which may be any bytes.
    #[must_use]
    pub(crate) fn get(&self, id: &[u8]) -> Option<&Arc<Statement>> {
        self.statements.get(id)
    }

    /// Keeps `statement`. A full cache forgets everything: clients prepare again.
    pub(crate) fn insert(&mut self, statement: &Arc<Statement>) {
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(statement.id, Arc::clone(statement));
    }

    /// Forgets one statement.
    pub(crate) fn remove(&mut self, id: &StatementId) {
        self.statements.remove(id);
    }

    /// Forgets all statements; returns how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        let count = self.statements.len();
        self.statements.clear();
        count
    }
}
