//! The readers of responses: whatever a node sends is read or refused, and written back the same.

use cql::header::{HEADER_LEN, Header, RESPONSE};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::response::error::{ErrorMessage, write_error_with};
use cql::response::event::{Event, write_event};
use cql::response::metadata::{Metadata, read_bind_metadata};
use cql::response::prefix::Prefix;
use cql::response::prepared::Prepared;
use cql::response::result::ResultKind;
use cql::response::rows::{Rows, put_rows};
use cql::response::schema_change::SchemaChange;
use cql::response::supported::Supported;
use cql::v3;

/// Rows are walked that far: a lie about their number must not make a target slow.
const ROWS_MAX: usize = 1000;

/// `data` is one frame; its opcode and flags choose the reader, its length field does not matter.
pub(crate) fn run(data: &[u8]) {
    let Some(header) = Header::peek(data) else { return };
    let body = &data[HEADER_LEN..];
    if let Some(down) = v3::downgrade(data) {
        let lower = Header::peek(&down).expect("a whole frame");
        assert_eq!(lower.version, RESPONSE | 3);
        assert_eq!(lower.stream, header.stream);
        assert_eq!(lower.body_len as usize, down.len() - HEADER_LEN);
    }
    let Ok(prefix) = Prefix::read(header.flags, body) else { return };
    assert!(prefix.payload.end <= prefix.message_at && prefix.message_at <= body.len());
    let message = &body[prefix.message_at..];
    match Opcode::from_byte(header.opcode) {
        Some(Opcode::Error) => error(message),
        Some(Opcode::Result) => match ResultKind::read(message) {
            Ok(ResultKind::Rows) => rows(message),
            Ok(ResultKind::Prepared) => run_prepared(message),
            Ok(ResultKind::SchemaChange) => schema_change(message),
            Ok(kind @ (ResultKind::Void | ResultKind::SetKeyspace)) => {
                assert_eq!(kind.code(), Reader::new(message).int().expect("was read"));
            }
            Err(_) => {}
        },
        Some(Opcode::Event) => event(message),
        Some(Opcode::Supported) => {
            if let Ok(supported) = Supported::read(message) {
                let mut put = Vec::new();
                supported.put(&mut put);
                assert_eq!(Supported::read(&put), Ok(supported));
            }
        }
        _ => {}
    }
}

fn error(message: &[u8]) {
    let Ok(read) = ErrorMessage::read(message) else { return };
    for version in [3, 4] {
        let mut frame = Vec::new();
        write_error_with(&mut frame, version, 7, &read.text, &read.extras);
        let again = ErrorMessage::read(&frame[HEADER_LEN..]).expect("our own frame");
        // A lossy text grows, and is cut where a string ends.
        assert!(again.text == read.text || read.text.len() > usize::from(u16::MAX));
    }
}

fn rows(message: &[u8]) {
    let Ok(rows) = Rows::read(message) else { return };
    let columns = rows.metadata.columns_count as usize;
    let mut read = Vec::new();
    let mut failed = false;
    for row in rows.rows().take(ROWS_MAX) {
        assert!(!failed, "reading goes on after an error");
        match row {
            Ok(row) => {
                assert_eq!(row.cells.len(), columns);
                if let Some(column) = rows.metadata.columns.first() {
                    assert_eq!(row.get(column.name), row.cells[0]);
                }
                read.push(row.cells);
            }
            Err(_) => failed = true,
        }
    }
    if failed || read.len() != rows.len() as usize {
        return;
    }
    let mut put = Vec::new();
    put_rows(&mut put, &rows.metadata, &read);
    let again = Rows::read(&put).expect("our own message");
    assert_eq!(again.metadata.columns, rows.metadata.columns);
    assert_eq!(again.len(), rows.len());
}

fn schema_change(message: &[u8]) {
    if let Ok(Some(change)) = SchemaChange::read_result(message) {
        let mut put = Vec::new();
        change.put_result(&mut put);
        assert_eq!(SchemaChange::read_result(&put), Ok(Some(change)));
    }
}

fn event(message: &[u8]) {
    if let Ok(event) = Event::read(message) {
        let mut frame = Vec::new();
        write_event(&mut frame, 4, &event);
        assert_eq!(Event::read(&frame[HEADER_LEN..]), Ok(event));
    }
}

/// `message` is that of a RESULT Prepared.
pub(crate) fn run_prepared(message: &[u8]) {
    for version in [3, 4] {
        let Ok(prepared) = Prepared::read(version, message) else { continue };
        assert!(prepared.flags_at + 8 <= message.len());
        assert!(message[6..].starts_with(prepared.id));
        assert!(message.ends_with(prepared.result_metadata));
        let mut reader = Reader::new(&message[prepared.flags_at..]);
        if let Ok(bind) = read_bind_metadata(&mut reader, version) {
            assert_eq!(bind.flags, prepared.flags);
            assert_eq!(bind.pk_indexes, prepared.pk_indexes);
            let names = bind.markers.iter().map(|marker| marker.name);
            assert!(names.eq(prepared.names.iter().copied()));
            assert_eq!(reader.rest(), prepared.result_metadata);
        }
        let _metadata = Metadata::read(&mut Reader::new(prepared.result_metadata));
    }
    let Ok(prepared) = Prepared::read(4, message) else { return };
    if !matches!(ResultKind::read(message), Ok(ResultKind::Prepared)) {
        return;
    }
    let len = u32::try_from(message.len()).expect("inputs are short");
    let opcode = Opcode::Result.byte();
    let header = Header { version: RESPONSE | 4, flags: 0, stream: 3, opcode, body_len: len };
    let frame = [&header.to_bytes(), message].concat();
    let down = v3::downgrade(&frame).expect("v3 has this message");
    let lower = Prepared::read(3, &down[HEADER_LEN..]).expect("the same without key markers");
    assert_eq!(
        (lower.id, lower.table, &lower.names),
        (prepared.id, prepared.table, &prepared.names)
    );
    assert_eq!(lower.result_metadata, prepared.result_metadata);
}
