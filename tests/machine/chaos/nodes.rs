//! What nodes of that world read in a request, and answer.

use cql::notation::{Value, put_int, put_string};
use cql::opcode::Opcode;
use cql::request::batch::Batch;
use cql::request::execute::Execute;

use super::{READ_ID, WRITE_ID};
use crate::support::frames;
use crate::support::frames::{Frame, rows, schema_change, schema_version};

/// The number that a request carries.
pub(super) fn number_of(frame: &Frame) -> u64 {
    let key = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
    match frame.opcode() {
        Opcode::Query => frame.text().rsplit(' ').next().unwrap().parse().unwrap(),
        Opcode::Execute => {
            let execute = Execute::read(&frame.body).unwrap();
            match execute.parameters.values.iter().next().unwrap().unwrap().value {
                Value::Bytes(bytes) => key(bytes),
                other => panic!("{other:?}"),
            }
        }
        Opcode::Batch => {
            let batch = Batch::read(&frame.body).unwrap();
            let child = batch.children().next().unwrap().unwrap();
            match child.values.iter().next().unwrap().unwrap().value {
                Value::Bytes(bytes) => key(bytes),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn is_own_question(frame: &Frame) -> bool {
    frame.opcode() == Opcode::Prepare
        || frame.opcode() == Opcode::Query && frame.text().contains("schema_version")
}

pub(super) fn is_write(frame: &Frame) -> bool {
    match frame.opcode() {
        Opcode::Query => !frame.text().starts_with("SELECT") && !frame.text().starts_with("USE"),
        Opcode::Execute => Execute::read(&frame.body).unwrap().id == WRITE_ID,
        Opcode::Batch => true,
        _ => false,
    }
}

/// What a node that knows everything answers.
pub(super) fn well(frame: &Frame) -> Vec<u8> {
    if frame.opcode() == Opcode::Prepare {
        let (id, keyspace, columns) = if frame.text().starts_with("SELECT") {
            (READ_ID, "tab", &b"columns"[..])
        } else {
            (WRITE_ID, "ring", &b""[..])
        };
        return frames::prepared(&id, 0, &format!("{keyspace}.t"), columns);
    }
    if is_own_question(frame) {
        return schema_version(1);
    }
    if frame.opcode() == Opcode::Query && frame.text().starts_with("USE") {
        let mut body = Vec::new();
        put_int(&mut body, 3);
        put_string(&mut body, &frame.text()[4..]);
        return body;
    }
    if frame.opcode() == Opcode::Query && frame.text().starts_with("CREATE") {
        return schema_change("CREATED", "other", Some("t"));
    }
    rows(&number_of(frame).to_be_bytes())
}
