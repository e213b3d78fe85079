//! Result metadata ids are spoken with the nodes; clients of old drivers see none of them.

use cql::consistency::Consistency;
use cql::notation::{Reader, put_bytes, put_int, put_short_bytes};
use cql::opcode::Opcode;

use crate::support::frames::{
    Frame, SKIP_METADATA, execute_at, prepare, prepared, schema_event, unprepared,
};
use crate::support::rig::Rig;

const ID: [u8; 16] = [9; 16];
const OLD: [u8; 16] = [1; 16];
const NEW: [u8; 16] = [2; 16];
const TEXT: &str = "SELECT * FROM tab.t WHERE k = ?";

/// RESULT Prepared as a node sends it that names the columns by an id.
fn prepared_with(metadata_id: &[u8], columns: &[u8]) -> Vec<u8> {
    let plain = prepared(&ID, 0, "tab.t", columns);
    let at = 4 + 2 + ID.len();
    let mut body = plain[..at].to_vec();
    put_short_bytes(&mut body, metadata_id);
    body.extend_from_slice(&plain[at..]);
    body
}

/// RESULT Rows; with an id, its flags say so.
fn rows(flags: i32, metadata_id: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    put_int(&mut body, 2);
    put_int(&mut body, flags);
    put_int(&mut body, 3);
    if flags & 2 != 0 {
        put_bytes(&mut body, Some(b"the next page"));
    }
    if let Some(id) = metadata_id {
        put_short_bytes(&mut body, id);
    }
    body.extend_from_slice(b"columns and cells");
    body
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.metadata_ids = true;
    rig.open_all_lanes();
    let client = rig.client();
    rig.prepare(client, TEXT, &prepared_with(&OLD, b"two columns"));
    rig
}

/// The metadata id in an EXECUTE on a lane, and the flags after it.
fn named(request: &Frame) -> (Vec<u8>, u8) {
    assert_eq!(request.opcode(), Opcode::Execute);
    let mut reader = Reader::new(&request.body);
    assert_eq!(reader.short_bytes(), Ok(&ID[..]));
    let id = reader.short_bytes().unwrap().to_vec();
    reader.short().unwrap();
    (id, reader.byte().unwrap())
}

#[test]
fn the_id_of_prepared_columns_stays_here_and_goes_back_with_each_execute() {
    let mut rig = Rig::new();
    rig.metadata_ids = true;
    rig.open_all_lanes();
    for version in [4, 3] {
        let client = rig.client_of(version, None);
        let ask = crate::support::frames::of_version(version, prepare(1, TEXT));
        rig.send(client, &ask);
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), &prepared_with(&OLD, b"two columns"));
        for (lane, spread) in rig.all_requests() {
            rig.result(lane, spread.stream(), &prepared_with(&OLD, b"two columns"));
        }
        let answer = rig.answer(client).body;
        let plain = prepared(&ID, 0, "tab.t", b"two columns");
        if version == 4 {
            assert_eq!(answer, plain);
        } else {
            // v3 has no list of key markers: a count and one index.
            assert_eq!(answer.len(), plain.len() - 6);
        }

        let ask = execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA);
        rig.send(client, &crate::support::frames::of_version(version, ask.clone()));
        let (lane, request) = rig.request();
        assert_eq!(named(&request), (OLD.to_vec(), SKIP_METADATA | 1));
        assert_eq!(request.body.len(), ask.len() - 9 + 18);
        assert_eq!(request.body[2 + 16 + 18..], ask[9 + 2 + 16..]);
        rig.result(lane, request.stream(), &rows(4, None));
        assert_eq!(rig.answer(client).body, rows(4, None));
    }
    rig.finish();
}

#[test]
fn rows_with_other_columns_reach_the_client_with_their_columns_and_without_the_id() {
    let mut rig = rig();
    let client = rig.clients[0];
    for (flags, plain) in [(0x9, 0x1), (0xb, 0x3)] {
        rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), &rows(flags, Some(&NEW)));
        assert_eq!(rig.answer(client).body, rows(plain, None));
        // The client did not prepare again: it still holds the old columns.
        rig.send(client, &execute_at(3, &ID, b"key ", Consistency::One, SKIP_METADATA));
        let (lane, request) = rig.request();
        assert_eq!(named(&request).0, OLD);
        rig.result(lane, request.stream(), &rows(flags, Some(&NEW)));
        assert_eq!(rig.answer(client).body, rows(plain, None));
    }
    rig.finish();
}

#[test]
fn rows_always_come_with_their_columns_once_clients_hold_different_ones() {
    let mut rig = rig();
    let (old, new) = (rig.clients[0], rig.client());
    rig.prepare(new, TEXT, &prepared_with(&NEW, b"three columns"));
    for client in [old, new] {
        rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
        let (lane, request) = rig.request();
        assert_eq!(named(&request).0, b"", "an id that no columns have");
        rig.result(lane, request.stream(), &rows(0x9, Some(&NEW)));
        assert_eq!(rig.answer(client).body, rows(0x1, None));
    }
    rig.finish();
}

#[test]
fn a_table_that_changed_otherwise_does_not_cost_the_columns_in_each_answer() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.input(|engine| engine.on_event(&schema_event("UPDATED", "tab", Some("t"))));
    let _questions = rig.all_requests();
    rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
    assert_eq!(named(&rig.request().1), (OLD.to_vec(), SKIP_METADATA | 1));
    rig.finish();
}

#[test]
fn a_statement_that_was_not_prepared_here_names_no_columns() {
    let mut rig = Rig::new();
    rig.metadata_ids = true;
    rig.open_all_lanes();
    let client = rig.client();
    rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
    assert_eq!(named(&rig.request().1), (Vec::new(), SKIP_METADATA | 1));
    rig.finish();
}

#[test]
fn each_node_gets_the_frame_that_it_agreed_to() {
    let mut rig = Rig::new();
    rig.metadata_ids = true;
    let new = rig.lane(0, 0);
    let client = rig.client();
    rig.prepare(client, TEXT, &prepared_with(&OLD, &[0, 0, 0, 1, 0, 0, 0, 3]));
    let ask = execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA);
    rig.send(client, &ask);
    assert_eq!(named(&rig.requests(new)[0]).0, OLD);

    // The read moves on to a node of an older version.
    rig.metadata_ids = false;
    let old = rig.lane(1, 0);
    for spread in rig.requests(old) {
        rig.result(old, spread.stream(), &prepared(&ID, 0, "tab.t", &[0, 0, 0, 1, 0, 0, 0, 3]));
    }
    rig.lose(new);
    let request = rig.requests(old).remove(0);
    assert_eq!(request.body, ask[9..]);
    rig.result(old, request.stream(), &rows(4, None));
    assert_eq!(rig.answer(client).body, rows(4, None));
    rig.finish();
}

#[test]
fn a_forgotten_statement_is_prepared_again_with_its_id() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &unprepared(&ID));
    let (lane, again) = rig.request();
    assert_eq!(again.opcode(), Opcode::Prepare);
    rig.result(lane, again.stream(), &prepared_with(&OLD, b"two columns"));
    assert_eq!(named(&rig.request().1), (OLD.to_vec(), SKIP_METADATA | 1));
    rig.finish();
}

#[test]
fn a_node_that_leaves_the_id_out_is_not_believed() {
    for body in [&[0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 1][..], &[0, 0, 0, 4, 0, 1, 9]] {
        let mut rig = rig();
        let client = rig.clients[0];
        rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), body);
        assert_eq!(rig.answer(client).code().0, 0, "a server error");
        assert_eq!(rig.lanes_to_close(), [lane]);
        rig.finish();
    }
}

/// A node without metadata ids, and a client that holds two columns.
fn old_rig() -> Rig {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare(client, TEXT, &prepared(&ID, 0, "tab.t", &[0, 0, 0, 1, 0, 0, 0, 2]));
    rig
}

fn bare_rows(columns: i32) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [2, 4, columns, 0] {
        put_int(&mut body, number);
    }
    body
}

#[test]
fn rows_that_the_client_would_misread_are_asked_for_again_with_their_columns() {
    let mut rig = old_rig();
    let client = rig.clients[0];
    let flags = |request: &Frame| request.body[2 + 16 + 2];
    rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
    let (lane, request) = rig.request();
    assert_eq!(flags(&request), SKIP_METADATA | 1);
    rig.result(lane, request.stream(), &bare_rows(3));
    assert!(rig.answers(client).is_empty());
    let (lane, again) = rig.request();
    assert_eq!(flags(&again), 1);
    rig.result(lane, again.stream(), &rows(1, None));
    assert_eq!(rig.answer(client).body, rows(1, None));
    // From now on everybody asks for the columns.
    rig.send(client, &execute_at(3, &ID, b"key ", Consistency::One, SKIP_METADATA));
    assert_eq!(flags(&rig.request().1), 1);
    rig.finish();
}

#[test]
fn rows_of_the_columns_that_the_client_holds_are_passed_on() {
    let mut rig = old_rig();
    let client = rig.clients[0];
    rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &bare_rows(2));
    assert_eq!(rig.answer(client).body, bare_rows(2));
    rig.finish();
}

#[test]
fn a_read_that_was_on_its_way_while_the_table_changed_is_asked_again() {
    let mut rig = old_rig();
    let client = rig.clients[0];
    rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
    let (lane, request) = rig.request();
    // Dropped and added: as many columns as before.
    rig.input(|engine| engine.on_event(&schema_event("UPDATED", "tab", Some("t"))));
    let _questions = rig.all_requests();
    rig.result(lane, request.stream(), &bare_rows(2));
    let (_, again) = rig.request();
    assert_eq!(again.body[2 + 16 + 2], 1);
    rig.finish();
}

#[test]
fn a_read_whose_statement_was_forgotten_on_its_way_is_asked_again() {
    let mut rig = Rig::with_limits(|limits| limits.catalog_bytes_max = 1_000);
    rig.open_all_lanes();
    let client = rig.client();
    rig.prepare(client, TEXT, &prepared(&ID, 0, "tab.t", &[0, 0, 0, 1, 0, 0, 0, 2]));
    rig.send(client, &execute_at(2, &ID, b"key ", Consistency::One, SKIP_METADATA));
    let (lane, request) = rig.request();
    let other = rig.client();
    for id in 30..60 {
        rig.prepare_select(other, "tab", id);
    }
    assert!(rig.engine.gauges().catalog_entries < 30, "nothing was forgotten");
    rig.result(lane, request.stream(), &bare_rows(2));
    let (_, again) = rig.request();
    assert_eq!(again.body[2 + 16 + 2], 1, "it is not known which columns the client holds");
    rig.finish();
}
