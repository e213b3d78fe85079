//! Texts that name the keyspace of every table: in which keyspace they are run does not matter.

use cql::statement::batch::TextBatch;
use cql::statement::statement::{NotUnderstood, TableStatement};

/// Whether a statement, or each of a batch by text, names the keyspace of its table, so that its
/// client's keyspace does not matter.
#[must_use]
pub(crate) fn is_qualified(text: &str) -> bool {
    let names_keyspace = |statement: &TableStatement<'_>| statement.table.keyspace.is_some();
    match TableStatement::read(text) {
        Ok(statement) => names_keyspace(&statement),
        Err(NotUnderstood::Verb) => TextBatch::read(text).is_ok_and(|batch| {
            let mut children = batch.children();
            children.all(|child| child.is_ok_and(|child| names_keyspace(&child)))
        }),
        Err(NotUnderstood::Text | NotUnderstood::Key | NotUnderstood::KeyColumns) => false,
    }
}
