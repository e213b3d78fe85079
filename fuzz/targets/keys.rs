//! The key of a text, as the proxy reads it and as a node does: where both read one, it is the same.

use std::cell::RefCell;

use cql::notation::put_short_bytes;
use cql::opcode::Opcode;
use cql::response::prepared::Prepared;
use cql::response::result::ResultKind;
use cql::response::rows::Rows;
use cql::statement::batch::TextBatch;
use cql::statement::document::Document;
use cql::statement::lexer::Lexer;
use cql::statement::partition::{Partition, PartitionKey, Target};
use cql::statement::statement::{TableStatement, Verb};
use cql::statement::term::Term;
use cql::values::column_type::ColumnType;

use crate::support::frames;
use crate::targets::node::Server;

const TEXT_MAX: usize = 2000;
/// Texts that one node is asked at most: it remembers what it prepared.
const TEXTS_OF_ONE: usize = 256;
/// The columns of the key, and their types.
const KEY: [&str; 2] = ["a", "B"];
const KINDS: [ColumnType; 2] = [ColumnType::Int, ColumnType::Varchar];
const SCHEMA: &[&str] = &["CREATE TABLE k.t (a int, \"B\" text, c int, v text, d duration, \
                           m map<text, int>, PRIMARY KEY ((a, \"B\"), c))"];

thread_local! {
    /// A node as it was made, but for what it prepared: to make one takes 6 ms.
    static UNTOUCHED: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// What became of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Checked {
    /// The node does not take it, or it is about another table.
    Other,
    /// The node takes it, and it is not understood here.
    NotUnderstood,
    /// Both read the same.
    Agreed,
}

/// `data` is a statement.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() <= TEXT_MAX {
        assert!(Lexer::new(text).count() <= text.len());
        check(text);
    }
}

/// Asks a node what it reads in `text`, and compares.
pub(crate) fn check(text: &str) -> Checked {
    if let Ok(batch) = TextBatch::read(text) {
        let count = batch.children().filter_map(Result::ok).count();
        assert!(count <= text.len());
        return Checked::Other;
    }
    let kept = UNTOUCHED.with_borrow_mut(Option::take);
    let mut server = kept.unwrap_or_else(|| Server::new(SCHEMA));
    let prepared = server.send(&frames::prepare(2, text));
    server.texts += 1;
    let is_prepared = ResultKind::read(&prepared.body) == Ok(ResultKind::Prepared);
    if prepared.opcode() != Opcode::Result || !is_prepared {
        keep(server);
        return Checked::Other;
    }
    let prepared = Prepared::read(4, &prepared.body).expect("our own node");
    let statement = match TableStatement::read(text) {
        Ok(statement) if is_the_table(&statement) => statement,
        Ok(_) | Err(_) => {
            assert!(prepared.pk_indexes.is_empty() || !is_of_the_table(&prepared));
            keep(server);
            return Checked::Other;
        }
    };
    let Ok(target) = statement.target(&KEY) else {
        keep(server);
        return Checked::NotUnderstood;
    };
    let has_in = Lexer::new(text).any(|token| token.is("IN"));
    compare(&target, &prepared, has_in);
    match target.partition {
        Partition::One(key) if statement.verb == Verb::Insert && !target.is_conditional => {
            if cells_of(&key).is_none_or(|cells| !stores(&mut server, text, &cells)) {
                keep(server);
            }
        }
        Partition::Json(Term::Literal(document)) if !target.is_conditional => {
            let cells = Document::of_literal(&document).and_then(|it| cells_in(&it));
            if cells.is_none_or(|cells| !stores(&mut server, text, &cells)) {
                keep(server);
            }
        }
        Partition::One(_)
        | Partition::FirstOfSeveral(_)
        | Partition::TokenRange(_)
        | Partition::All
        | Partition::Json(_) => keep(server),
    }
    Checked::Agreed
}

fn keep(server: Server) {
    if server.texts < TEXTS_OF_ONE {
        UNTOUCHED.set(Some(server));
    }
}

fn is_of_the_table(prepared: &Prepared<'_>) -> bool {
    prepared.table.is_some_and(|it| (it.keyspace, it.table) == ("k", "t"))
}

fn is_the_table(statement: &TableStatement<'_>) -> bool {
    statement.table.keyspace.is_some_and(|keyspace| keyspace.is("k"))
        && statement.table.table.is("t")
}

/// A node names the markers of a key when all its columns are markers, and only then; it names none
/// when one of them is the only element of an IN.
fn compare(target: &Target<'_>, prepared: &Prepared<'_>, has_in: bool) {
    let markers = match &target.partition {
        Partition::One(key) => markers(key, prepared),
        Partition::FirstOfSeveral(_)
        | Partition::TokenRange(_)
        | Partition::All
        | Partition::Json(_) => None,
    };
    if !has_in || !prepared.pk_indexes.is_empty() {
        assert_eq!(prepared.pk_indexes, markers.unwrap_or_default(), "{target:?}");
    }
}

/// The positions of a key's markers; `None` when a column is a literal.
fn markers(key: &PartitionKey<'_>, prepared: &Prepared<'_>) -> Option<Vec<u16>> {
    let position = |term: &Term<'_>| match term {
        Term::Marker(index) => Some(*index),
        Term::NamedMarker(name) => {
            let at = prepared.names.iter().position(|known| name.is(known));
            Some(u16::try_from(at.expect("a marker of this name")).expect("few markers"))
        }
        Term::Literal(_) => None,
    };
    key.terms().iter().map(position).collect()
}

/// The bytes of a key without markers, each column's behind its length.
fn cells_of(key: &PartitionKey<'_>) -> Option<Vec<u8>> {
    let mut cells = Vec::new();
    for (term, kind) in key.terms().iter().zip(KINDS) {
        let Term::Literal(literal) = term else { return None };
        let mut cell = Vec::new();
        literal.put(&kind, &mut cell).ok()?;
        put_short_bytes(&mut cells, &cell);
    }
    Some(cells)
}

/// The same of a document.
fn cells_in(document: &Document<'_>) -> Option<Vec<u8>> {
    let mut cells = Vec::new();
    for (value, kind) in document.find(&KEY).ok()?.iter().flatten().zip(KINDS) {
        let mut cell = Vec::new();
        value.put(&kind, &mut cell).ok()?;
        put_short_bytes(&mut cells, &cell);
    }
    Some(cells)
}

/// Runs an INSERT without markers; what it stored has the key that was read. `false` when it did
/// not run.
fn stores(server: &mut Server, text: &str, cells: &[u8]) -> bool {
    if server.ask(text).opcode() != Opcode::Result {
        return false;
    }
    let stored = server.ask("SELECT a, \"B\" FROM k.t");
    let rows = Rows::read(&stored.body).expect("our own node");
    let mut found = rows.rows().map(|row| {
        let mut cells = Vec::new();
        row.expect("our own node").cells.iter().flatten().for_each(|cell| {
            put_short_bytes(&mut cells, cell);
        });
        cells
    });
    assert!(found.all(|found| found == cells), "{text} has another key");
    true
}
