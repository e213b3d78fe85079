//! What a statement's text asks of the façade: to switch the keyspace, or to read the tables by which
//! drivers find nodes.
//!
//! Called for each QUERY and PREPARE: most texts are distinguished by their first letters.

use crate::facade::console::describe::{Described, Description};
use crate::facade::console::schema_rows::{self, SCHEMA, SchemaQuestion};
use crate::facade::console::table::{ConsoleTable, KEYSPACE};
use crate::facade::refusal::Refusal;
use crate::facade::tables::table_name::{KEYSPACES, VirtualTableName};
use crate::facade::text::lexer::{Word, WordLexer};
use crate::facade::text::select::{Select, shows_nodes};

/// Longest name of a keyspace, bytes, that is kept for its client; servers take 48 or 192.
pub const NAME_BYTES_MAX: usize = 1024;

/// A statement, by who answers it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StatementText {
    /// The façade, as the one node that the driver may see.
    Local(Box<Select>),
    /// `USE`: the session switches to this keyspace once a node has confirmed that it exists.
    Use(String),
    /// A DESCRIBE of the console.
    Described(Described),
    /// A node, to whose answer rows of the console may belong.
    Schema(SchemaQuestion),
    /// Neither: it must not reach a node.
    Refused(Refusal),
    /// A node.
    Other,
}

/// Who asks, as far as it decides who answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Viewer<'a> {
    /// The keyspace of the client.
    pub keyspace: Option<&'a str>,
    /// Whether the console is there for it.
    pub sees_console: bool,
}

/// What `text` asks, for a client whose keyspace is `keyspace`, and who sees no console.
#[must_use]
pub fn classify(text: &str, keyspace: Option<&str>) -> StatementText {
    classify_for(text, Viewer { keyspace, sees_console: false })
}

/// What `text` asks.
#[must_use]
pub fn classify_for(text: &str, viewer: Viewer<'_>) -> StatementText {
    let front = WordLexer::new(text);
    let mut words = front;
    let Some(verb) = words.next() else { return StatementText::Other };
    if verb == Word::Unread && front.may_begin_with("USE") {
        return StatementText::Refused(Refusal::no_verb());
    }
    if verb.is("SELECT") {
        return classify_select(words, viewer);
    }
    if verb.is("USE") {
        return classify_use(text, words);
    }
    if !viewer.sees_console {
        return StatementText::Other;
    }
    if verb.is("DESCRIBE") || verb.is("DESC") {
        return match Description::read(words, viewer.keyspace) {
            Description::Own(described) => StatementText::Described(described),
            Description::Names(listed) => StatementText::Schema(SchemaQuestion::Names(listed)),
            Description::Missing(why) => StatementText::Refused(why),
            Description::Other => StatementText::Other,
        };
    }
    if creates_console(verb, words) {
        return StatementText::Refused(Refusal::console_exists(KEYSPACE));
    }
    match changed_table(verb, words, viewer) {
        Some(table) => StatementText::Refused(Refusal::modification(KEYSPACE, &table)),
        None => StatementText::Other,
    }
}

/// Whether a statement creates a keyspace with the console's name, which would take the console's place.
fn creates_console(verb: Word<'_>, mut words: WordLexer<'_>) -> bool {
    if !(verb.is("CREATE") && (words.take_keyword("KEYSPACE") || words.take_keyword("SCHEMA"))) {
        return false;
    }
    if words.take_keyword("IF") {
        words.take_keyword("NOT");
        words.take_keyword("EXISTS");
    }
    words.next().is_some_and(|name| name.names(KEYSPACE))
}

/// The table of the console that a statement wants to change, if it is one.
fn changed_table(verb: Word<'_>, mut words: WordLexer<'_>, viewer: Viewer<'_>) -> Option<String> {
    if verb.is("INSERT") {
        words.take_keyword("INTO").then_some(())?;
    } else if verb.is("DELETE") {
        words.by_ref().any(|word| word.is("FROM")).then_some(())?;
    } else if verb.is("TRUNCATE") || verb.is("ALTER") || verb.is("DROP") {
        words.take_keyword("TABLE");
    } else if !verb.is("UPDATE") {
        return None;
    }
    let first = words.next()?;
    // Nearly every statement ends here: no name is copied before it is known to be ours.
    if words.take_sign('.') {
        return if first.names(KEYSPACE) { words.take_name() } else { None };
    }
    if viewer.keyspace == Some(KEYSPACE) { first.name() } else { None }
}

/// Whether a statement only reads, so that a node may run it a second time.
#[must_use]
pub fn is_select(text: &str) -> bool {
    WordLexer::new(text).next().is_some_and(|verb| verb.is("SELECT"))
}

fn classify_use(text: &str, mut words: WordLexer<'_>) -> StatementText {
    let before = words;
    let name = words.take_name();
    match name.filter(|_| words.take_end()) {
        Some(name) if name.len() <= NAME_BYTES_MAX => StatementText::Use(name),
        // A node refuses it, in its own words: no keyspace has this name.
        Some(_) => StatementText::Other,
        // Servers may not agree where a line comment ends, and what is not read may be all comment.
        None if text.contains('\r') || !before.is_read_whole() => {
            StatementText::Refused(Refusal::more_than_use())
        }
        // The same: it is no USE of any keyspace.
        None => StatementText::Other,
    }
}

fn classify_select(
    selection: WordLexer<'_>,
    Viewer { keyspace, sees_console }: Viewer<'_>,
) -> StatementText {
    let mut words = selection;
    // FROM is reserved: unquoted, it ends the selection wherever it stands.
    if !words.by_ref().any(|word| word.is("FROM")) {
        return StatementText::Other;
    }
    let Some(first) = words.next() else { return StatementText::Other };
    if sees_console && let Some(of_console) = of_console(selection, words, first, keyspace) {
        return of_console;
    }
    let found = if words.take_sign('.') {
        // Most statements end here: no keyspace of theirs has tables of ours.
        let keyspace = KEYSPACES.into_iter().find(|keyspace| first.names(keyspace));
        keyspace.and_then(|keyspace| VirtualTableName::find(keyspace, &words.take_name()?))
    } else {
        let keyspace = keyspace.filter(|keyspace| KEYSPACES.contains(keyspace));
        keyspace.and_then(|keyspace| VirtualTableName::find(keyspace, &first.name()?))
    };
    let Some(table) = found else { return StatementText::Other };
    let rest = words;
    match Select::parse(table, selection, words) {
        Some(select) => StatementText::Local(Box::new(select)),
        // A node refuses it, in its own words.
        None if rest.is_broken() => StatementText::Other,
        None if shows_nodes(selection) => StatementText::Refused(Refusal::shows_nodes(table.table)),
        None => StatementText::Other,
    }
}

/// What a SELECT asks of the console; `None` when it asks nothing of it. `first` is the first word
/// behind FROM, `words` what follows.
fn of_console(
    selection: WordLexer<'_>,
    mut words: WordLexer<'_>,
    first: Word<'_>,
    keyspace: Option<&str>,
) -> Option<StatementText> {
    let (keyspace, table) = if words.take_sign('.') {
        let found = [KEYSPACE, SCHEMA].into_iter().find(|keyspace| first.names(keyspace));
        (found?, words.take_name()?)
    } else {
        let found = [KEYSPACE, SCHEMA].into_iter().find(|one| keyspace == Some(one));
        (found?, first.name()?)
    };
    if keyspace == SCHEMA {
        let select = Select::parse(schema_rows::find(&table)?, selection, words)?;
        return SchemaQuestion::of(select).map(StatementText::Schema);
    }
    let Some(found) = ConsoleTable::find(&table) else {
        return Some(StatementText::Refused(Refusal::no_such_table(&table)));
    };
    Some(match Select::parse(found.name(), selection, words) {
        Some(select) => StatementText::Local(Box::new(select)),
        None => StatementText::Refused(Refusal::not_understood(KEYSPACE, &table)),
    })
}

#[cfg(test)]
mod tests;
