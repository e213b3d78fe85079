//! What drivers send.

use cql::notation::put_string;
use cql::request::auth_response::{self, PlainLogin, write_auth_response};
use cql::request::batch::{Batch, ChildStatement};
use cql::request::execute::Execute;
use cql::request::parameters;
use cql::request::prepare::Prepare;
use cql::request::query::Query;
use cql::request::register::{EventKind, EventKinds, write_register};
use cql::request::startup::{Startup, write_startup};
use cql::response::error::{ErrorMessage, write_error};

use crate::{frame, split};

#[test]
fn startup_is_read_and_written() {
    let golden = frame("startup");
    let (header, body) = split(&golden);
    let startup = Startup::read(body).unwrap();

    assert_eq!(startup.get("CQL_VERSION"), Some("3.0.0"));
    assert_eq!(startup.compression(), Ok(None));
    let mut out = Vec::new();
    write_startup(&mut out, 4, header.stream, &startup.options);
    assert_eq!(out, golden);
}

#[test]
fn register_is_read_and_written() {
    let golden = frame("register");
    let (header, body) = split(&golden);
    let kinds = EventKinds::read(body).unwrap();
    let named = [EventKind::TopologyChange, EventKind::StatusChange, EventKind::SchemaChange];

    assert!(named.iter().all(|kind| kinds.contains(*kind)));
    assert!(!kinds.contains(EventKind::ClientRoutesChange));
    let mut out = Vec::new();
    write_register(&mut out, 4, header.stream, &named);
    assert_eq!(out, golden);
}

#[test]
fn an_unknown_event_type_is_refused_in_the_words_of_the_server() {
    let golden = frame("error_event_type");
    let (header, body) = split(&golden);
    let message = ErrorMessage::read(body).unwrap();
    let (_, unknown) = message.text.split_once('\'').unwrap();
    let (unknown, _) = unknown.split_once('\'').unwrap();
    let mut request = vec![0, 1];
    put_string(&mut request, unknown);

    let error = EventKinds::read(&request).unwrap_err();

    let mut out = Vec::new();
    write_error(&mut out, 4, header.stream, error.code(), &error.to_string());
    assert_eq!(out, golden);
}

#[test]
fn a_plain_token_is_read_and_written() {
    let golden = frame("auth_response");
    let (header, body) = split(&golden);
    let token = auth_response::read(body).unwrap().unwrap();
    let plain = PlainLogin::read(token).unwrap();
    assert!(plain.user == b"cassandra" && plain.password == b"cassandra");

    let (mut again, mut out) = (Vec::new(), Vec::new());
    plain.put(&mut again);
    write_auth_response(&mut out, 4, header.stream, Some(&again));
    assert_eq!(out, golden);
}

#[test]
fn statements_are_found_in_requests() {
    let query = frame("query_local");
    let query = Query::read(split(&query).1).unwrap();
    assert_eq!(query.text, "SELECT * FROM system.local WHERE key='local'");
    let named = frame("query_named_value");
    let named = Query::read(split(&named).1).unwrap();
    assert_eq!(named.parameters.flags, parameters::NAMES | parameters::VALUES);
    let name = named.parameters.values.iter().next().unwrap().unwrap().name;
    assert_eq!(name, Some("address"));
    let text = frame("prepare_insert");
    let text = Prepare::read(split(&text).1).unwrap().text;
    assert_eq!(text, "INSERT INTO tk.t (pk, ck, v) VALUES (?, ?, ?)");
    let execute = frame("execute_insert");
    let execute = Execute::read(split(&execute).1).unwrap();
    assert_eq!((execute.id.len(), execute.parameters.values.count()), (16, 3));
    let batch = frame("batch_mixed");
    let batch = Batch::read(split(&batch).1).unwrap();
    let children: Vec<_> = batch.children().map(Result::unwrap).collect();
    assert_eq!((batch.kind, children.len()), (1, usize::from(batch.count)));
    assert!(children.iter().any(|one| matches!(one.statement, ChildStatement::Text(_))));
    assert!(children.iter().any(|one| matches!(one.statement, ChildStatement::Prepared(_))));
    assert_eq!(batch.tail().unwrap().serial_consistency, None);
}
