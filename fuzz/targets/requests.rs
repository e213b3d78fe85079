//! The readers of requests: whatever a client sends is read or refused, and what was read is there.

use cql::error::WireError;
use cql::frame::Frame;
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, HEADER_LEN, Header};
use cql::notation::Value;
use cql::opcode::Opcode;
use cql::request::auth_response::{self, PlainLogin, write_auth_response};
use cql::request::batch::{Batch, ChildStatement};
use cql::request::execute::{self, Execute};
use cql::request::parameters::BoundValue;
use cql::request::parameters::{Parameters, SKIP_METADATA, Values};
use cql::request::prepare::Prepare;
use cql::request::query::Query;
use cql::request::register::{EventKind, EventKinds, write_register};
use cql::request::request::{Request, RequestBody};
use cql::request::startup::{Startup, write_startup};
use cql::response::prefix;

/// `data` is one frame; its opcode chooses the reader, its length field does not matter.
pub(crate) fn run(data: &[u8]) {
    let Some(header) = Header::peek(data) else { return };
    let body = &data[HEADER_LEN..];
    if let Ok(len) = prefix::request_payload_len(body) {
        assert!(len <= body.len());
    }
    carried(data, body);
    match Opcode::from_byte(header.opcode) {
        Some(Opcode::Query) => {
            let Ok(query) = Query::read(body) else { return };
            assert!(body[4..].starts_with(query.text.as_bytes()));
            parameters(&query.parameters, body);
        }
        Some(Opcode::Execute) => on_execute(body),
        Some(Opcode::Batch) => batch(body),
        Some(Opcode::Prepare) => {
            if let Ok(prepare) = Prepare::read(body) {
                assert!(body[4..].starts_with(prepare.text.as_bytes()));
            }
        }
        Some(Opcode::Register) => register(body),
        Some(Opcode::AuthResponse) => token(body),
        Some(Opcode::Startup) => run_startup(body),
        _ => {}
    }
}

/// What is carried along as a request is what the reader of its opcode finds in its body.
fn carried(data: &[u8], body: &[u8]) {
    let mut bytes = data.to_vec();
    bytes[1] &= !(FLAG_COMPRESSED | FLAG_PAYLOAD);
    bytes[5..HEADER_LEN].copy_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    let frame = Frame::read(&bytes).expect("a whole frame");
    assert_eq!(frame.bytes(), bytes);
    let Some(request) = Request::read(frame) else { return };
    let levels = request.levels();
    match request.body() {
        RequestBody::Query(query) => {
            assert_eq!(request.text(), Some(query.text));
            assert_eq!(levels.map(|it| it.consistency), Some(query.parameters.consistency));
        }
        RequestBody::Execute(execute) => {
            assert_eq!(Execute::read(body).expect("it was read").id, execute.id);
            assert_eq!(levels.map(|it| it.consistency), Some(execute.parameters.consistency));
        }
        RequestBody::Batch(batch) => assert_eq!(levels.is_some(), batch.tail().is_ok()),
        RequestBody::Prepare(prepare) => assert_eq!(request.text(), Some(prepare.text)),
        RequestBody::Session => assert_eq!(levels, None),
        RequestBody::Unreadable => {
            let readable = match request.opcode() {
                Opcode::Query => Query::read(body).is_ok(),
                Opcode::Prepare => Prepare::read(body).is_ok(),
                Opcode::Execute => Execute::read(body).is_ok(),
                Opcode::Batch => Batch::read(body).is_ok(),
                _ => true,
            };
            assert!(!readable, "{:?}", request.opcode());
        }
    }
}

fn parameters(parameters: &Parameters<'_>, body: &[u8]) {
    values(&parameters.values, body);
    let whole = parameters.options().is_ok();
    let all = parameters.values.iter().all(|value| value.is_ok());
    assert!(all || !whole, "options were found behind values that cannot be read");
    let _serial = parameters.consistency.is_serial();
}

fn values(values: &Values<'_>, body: &[u8]) {
    let mut read = 0;
    let mut failed = false;
    for value in values.iter() {
        assert!(!failed, "reading goes on after an error");
        match value {
            Ok(BoundValue { name, value }) => {
                read += 1;
                assert_eq!(name.is_some(), values.named());
                if let Value::Bytes(bytes) = value {
                    assert!(bytes.len() <= body.len());
                }
            }
            Err(_) => failed = true,
        }
    }
    assert!(failed || read == values.count());
}

fn on_execute(body: &[u8]) {
    let mut asked = body.to_vec();
    execute::ask_for_metadata(&mut asked);
    let Ok(read) = Execute::read(body) else { return };
    parameters(&read.parameters, body);
    let after = Execute::read(&asked).expect("one flag less");
    assert_eq!(after.id, read.id);
    assert_eq!(after.parameters.flags, read.parameters.flags & !SKIP_METADATA);
    assert_eq!(after.parameters.consistency, read.parameters.consistency);
}

fn batch(body: &[u8]) {
    let Ok(batch) = Batch::read(body) else { return };
    let mut whole = 0;
    for child in batch.children() {
        let Ok(child) = child else { break };
        whole += 1;
        values(&child.values, body);
        match child.statement {
            ChildStatement::Text(text) => assert!(text.len() <= body.len()),
            ChildStatement::Prepared(id) => assert!(id.len() <= body.len()),
        }
    }
    if batch.tail().is_ok() {
        assert_eq!(whole, batch.count, "a tail behind children that cannot be read");
    }
}

fn register(body: &[u8]) {
    let Ok(kinds) = EventKinds::read(body) else { return };
    let all = [
        EventKind::SchemaChange,
        EventKind::StatusChange,
        EventKind::TopologyChange,
        EventKind::ClientRoutesChange,
    ];
    let asked: Vec<_> = all.into_iter().filter(|kind| kinds.contains(*kind)).collect();
    assert_eq!(asked.is_empty(), kinds.is_empty());
    let mut frame = Vec::new();
    write_register(&mut frame, 4, 0, &asked);
    let again = EventKinds::read(&frame[HEADER_LEN..]).expect("our own frame");
    assert!(all.into_iter().all(|kind| again.contains(kind) == kinds.contains(kind)));
}

fn token(body: &[u8]) {
    let Ok(token) = auth_response::read(body) else { return };
    if let Some(plain) = token.and_then(PlainLogin::read) {
        let mut put = Vec::new();
        plain.put(&mut put);
        let again = PlainLogin::read(&put).expect("our own token");
        assert!(again.user == plain.user && again.password == plain.password);
    }
    let mut frame = Vec::new();
    write_auth_response(&mut frame, 4, 0, token);
    assert!(auth_response::read(&frame[HEADER_LEN..]) == Ok(token));
}

/// `body` is that of a STARTUP.
pub(crate) fn run_startup(body: &[u8]) {
    let Ok(startup) = Startup::read(body) else { return };
    match startup.compression() {
        Ok(None) => assert!(startup.get("COMPRESSION").is_none()),
        Ok(Some(found)) => {
            let name = startup.get("COMPRESSION").expect("it was found there");
            assert!(name.eq_ignore_ascii_case(found.name()));
        }
        Err(error) => assert!(matches!(error, WireError::CompressionName(_)), "{error}"),
    }
    let mut frame = Vec::new();
    write_startup(&mut frame, 4, 0, &startup.options);
    assert_eq!(Startup::read(&frame[HEADER_LEN..]), Ok(startup));
}
