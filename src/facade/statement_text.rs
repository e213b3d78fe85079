//! What a statement's text asks of the session itself: to switch the keyspace, or to read the
//! tables by which drivers find nodes.
//!
//! Called for each QUERY and PREPARE: most texts are told apart by their first letters.

use crate::facade::lexer::Lexer;
use crate::facade::refusal::Refusal;
use crate::facade::select::{Select, shows_nodes};
use crate::facade::table_name::{KEYSPACES, TableName};

/// Words of a selection that are looked through for its FROM, in some 15 ms at worst. No table has
/// so many columns: their number has two bytes.
const SELECTION_WORDS_MAX: usize = 1 << 20;

/// Longest name of a keyspace, bytes; servers take 48 or 192.
pub const NAME_BYTES_MAX: usize = 1024;

/// A statement, by who answers it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StatementText {
    /// The session, as the one node that the driver may see.
    Local(Box<Select>),
    /// `USE`: the session switches to this keyspace once a node has confirmed that it exists.
    Use(String),
    /// Nobody: it must not reach a node.
    Refused(Refusal),
    /// A node.
    Other,
}

/// Tells what `text` asks, for a client whose keyspace is `keyspace`.
#[must_use]
pub fn classify(text: &str, keyspace: Option<&str>) -> StatementText {
    let mut words = Lexer::new(text);
    match words.next() {
        Some(verb) if verb.is("SELECT") => classify_select(words, keyspace),
        Some(verb) if verb.is("USE") => classify_use(words),
        Some(_) | None => StatementText::Other,
    }
}

/// Whether a statement only reads, so that a node may run it a second time.
#[must_use]
pub fn is_select(text: &str) -> bool {
    Lexer::new(text).next().is_some_and(|verb| verb.is("SELECT"))
}

/// Writes a name so that a server reads it as it stands, whatever is in it.
#[must_use]
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn classify_use(mut words: Lexer<'_>) -> StatementText {
    let is_marker = words.take_sign('?');
    let name = words.take_name();
    let is_whole = words.take_end();
    match name.filter(|_| is_whole && !is_marker) {
        Some(name) if name.len() > NAME_BYTES_MAX => {
            StatementText::Refused(Refusal::name_too_long(NAME_BYTES_MAX))
        }
        Some(name) => StatementText::Use(name),
        None if is_marker => StatementText::Refused(Refusal::keyspace_marker()),
        None => StatementText::Refused(Refusal::more_than_use()),
    }
}

fn classify_select(selection: Lexer<'_>, keyspace: Option<&str>) -> StatementText {
    let mut words = selection;
    // FROM is reserved: unquoted, it ends the selection wherever it stands.
    if !words.by_ref().take(SELECTION_WORDS_MAX).any(|word| word.is("FROM")) {
        return match words.peek() {
            None => StatementText::Other,
            Some(_) => StatementText::Refused(Refusal::no_table()),
        };
    }
    let Some(first) = words.next() else { return StatementText::Other };
    let found = if words.take_sign('.') {
        // Most statements end here: no keyspace of theirs has tables of ours.
        let keyspace = KEYSPACES.into_iter().find(|keyspace| first.names(keyspace));
        keyspace.and_then(|keyspace| TableName::find(keyspace, &words.take_name()?))
    } else {
        let keyspace = keyspace.filter(|keyspace| KEYSPACES.contains(keyspace));
        keyspace.and_then(|keyspace| TableName::find(keyspace, &first.name()?))
    };
    let Some(table) = found else { return StatementText::Other };
    match Select::parse(table, selection, words) {
        Some(select) => StatementText::Local(Box::new(select)),
        None if shows_nodes(selection) => StatementText::Refused(Refusal::shows_nodes(table.table)),
        None => StatementText::Other,
    }
}

#[cfg(test)]
mod tests;
