//! Texts, as we and as a server take them: what switches a keyspace there is a
//! `USE` here, what we would repeat only reads, and what we answer ourselves has its columns.

use std::cell::RefCell;

use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::response::error::ErrorMessage;
use cql::response::metadata::ColumnSpec;
use cql::response::result::ResultKind;
use cql::response::rows::Rows;
use cql::values::column_type::ColumnType;
use shardlane::facade::text::lexer::WordLexer;
use shardlane::facade::text::statement_text::{StatementText, classify, is_select};

use crate::support::frames;
use crate::support::frames::Frame;
use crate::targets::node::Server;

const TEXT_MAX: usize = 2000;
/// Texts that one node is asked at most: it remembers what it prepared.
const TEXTS_OF_ONE: usize = 256;
/// One table with one row.
const SCHEMA: &[&str] =
    &["CREATE TABLE k.t (k int PRIMARY KEY, v text)", "INSERT INTO k.t (k, v) VALUES (1, 'one')"];

thread_local! {
    /// A node as it was made, but for what it prepared: to make one takes 6 ms.
    static UNTOUCHED: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// `data` is a statement.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > TEXT_MAX {
        return;
    }
    assert!(WordLexer::new(text).count() <= text.len());
    blank_changes_nothing(text);
    let kept = UNTOUCHED.with_borrow_mut(Option::take);
    let mut server = kept.unwrap_or_else(|| Server::new(SCHEMA));
    let class = classify(text, None);
    let answer = server.ask(text);
    let switched = server.keyspace();
    match answer.opcode() {
        Opcode::Result => match ResultKind::read(&answer.body).expect("our own node") {
            ResultKind::SetKeyspace => {
                let name = Reader::new(&answer.body[4..]).string().expect("our own node");
                assert_eq!(switched.as_deref(), Some(name));
                assert_eq!(class, StatementText::Use(name.to_owned()));
            }
            ResultKind::Rows => rows_came(&answer, &class),
            ResultKind::Void | ResultKind::SchemaChange => {
                assert!(!is_select(text), "it writes");
                assert_eq!(class, StatementText::Other);
            }
            ResultKind::Prepared => panic!("nobody prepared"),
        },
        Opcode::Error => {
            ErrorMessage::read(&answer.body).expect("our own node");
            assert_eq!(switched, None, "refused, and switched all the same");
        }
        other => panic!("{other:?}"),
    }
    if switched.is_some() {
        assert!(matches!(class, StatementText::Use(_)), "a shared lane would be switched");
    }
    prepare_alike(&mut server, text, &answer);
    let ran = ResultKind::read(&answer.body);
    let touched = answer.opcode() == Opcode::Result && !matches!(ran, Ok(ResultKind::Rows));
    server.texts += 1;
    if !touched && server.texts < TEXTS_OF_ONE {
        UNTOUCHED.set(Some(server));
    }
}

/// Comments and blanks before a text are no part of it.
fn blank_changes_nothing(text: &str) {
    let padded = format!("\n/* USE x */ -- SELECT\n\t{text}");
    for keyspace in [None, Some("system")] {
        assert_eq!(classify(&padded, keyspace), classify(text, keyspace));
    }
    assert_eq!(is_select(&padded), is_select(text));
}

fn rows_came(answer: &Frame, class: &StatementText) {
    let rows = Rows::read(&answer.body).expect("our own node");
    assert!(rows.rows().all(|row| row.is_ok()));
    let hidden = ["local", "peers", "peers_v2"];
    let shown = rows.metadata.columns.iter();
    let shown = shown.filter(|it| it.keyspace == "system" && hidden.contains(&it.table));
    let shown: Vec<_> = shown.collect();
    match class {
        StatementText::Use(_) => panic!("a USE has no rows"),
        StatementText::Described(_) | StatementText::Schema(_) => panic!("there is no console"),
        StatementText::Refused(_) => assert!(!shown.is_empty(), "it shows no node"),
        // Rows of other tables pass, and those that show no place of a node.
        StatementText::Other => {
            let of_node = |column: &&&ColumnSpec<'_>| {
                matches!(column.kind, ColumnType::Inet | ColumnType::Uuid | ColumnType::Set(_))
                    && column.name != "schema_version"
            };
            let received: Vec<_> = shown.iter().filter(of_node).collect();
            assert!(received.is_empty(), "a driver would see a real node: {received:?}");
        }
        StatementText::Local(select) => {
            let name = select.table.table;
            assert!(rows.metadata.columns.iter().all(|column| column.table == name));
        }
    }
}

/// What a server runs without values it prepares as well, unless the schema is another now.
fn prepare_alike(server: &mut Server, text: &str, answer: &Frame) {
    let prepared = server.send(&frames::prepare(2, text));
    let ran = ResultKind::read(&answer.body);
    let same_schema = matches!(ran, Ok(ResultKind::Rows | ResultKind::Void));
    if answer.opcode() == Opcode::Result && same_schema {
        let received = String::from_utf8_lossy(&prepared.body);
        assert_eq!(prepared.opcode(), Opcode::Result, "{received}");
    }
}
