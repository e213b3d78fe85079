//! Texts that are seen often go to nodes as prepared statements, and their clients never notice.

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::frame::FrameHead;
use cql::header::FLAG_PAYLOAD;
use cql::notation::{put_bytes, put_int, put_long_string};
use cql::opcode::Opcode;
use cql::values::column_type::ColumnType;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::routing::decision::Reason;

use crate::clients::keyspaces::use_keyspace;
use crate::support::frames::{
    Bound, Frame, client_frame, error, execute, execute_at, frame, of_version, prepared, query,
    query_with, rows, schema_event, tablet_payload, unprepared, void,
};
use crate::support::rig::{Rig, host};

pub(crate) const ID: [u8; 16] = [7; 16];
pub(crate) const UNTYPED: [u8; 16] = [6; 16];
pub(crate) const SHAPE: &str = "SELECT v FROM tab.t WHERE k = ?";
pub(crate) const TYPED: &str = "SELECT v FROM tab.t WHERE k = (int)?";

pub(crate) fn rig() -> Rig {
    let mut rig = Rig::with_settings(|settings| settings.runs_shapes = true);
    rig.open_all_lanes();
    rig.know_key("tab", "t", &[("k", ColumnType::Int)]);
    rig.client();
    rig
}

pub(crate) fn text(key: i32) -> String {
    format!("SELECT v FROM tab.t WHERE k = {key}")
}

/// Requests that reached nodes.
pub(crate) type Arrived = Vec<(LaneKey, Frame)>;

/// Of what reached nodes, the client's requests and the PREPAREs of ours.
pub(crate) fn split(requests: Arrived) -> (Arrived, Arrived) {
    requests.into_iter().partition(|(_, request)| request.opcode() != Opcode::Prepare)
}

/// Sends texts until a node is asked for something; returns the PREPAREs.
pub(crate) fn heat(rig: &mut Rig, client: ClientKey) -> Arrived {
    for key in 0..100 {
        rig.send(client, &query(1, &text(key)));
        let (asked, prepares) = split(rig.all_requests());
        let [(lane, request)] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!((request.opcode(), request.text()), (Opcode::Query, &*text(key)));
        rig.result(*lane, request.stream(), &rows(b"text"));
        assert_eq!(rig.answer(client).mark(), b"text");
        if !prepares.is_empty() {
            return prepares;
        }
    }
    panic!("the shape is never prepared")
}

/// The same until all nodes are asked, with the types that one of them has for its markers.
pub(crate) fn heat_with_types(rig: &mut Rig, client: ClientKey) -> Arrived {
    let [(lane, request)] = &heat(rig, client)[..] else { panic!("one node is asked for types") };
    assert_eq!(request.text(), SHAPE);
    let mut body = prepared(&UNTYPED, 0, "tab.t", &[]);
    if rig.metadata_ids {
        // The id of the metadata follows that of the statement.
        body.splice(22..22, [0, 2, b'm', b'd']);
    }
    rig.result(*lane, request.stream(), &body);
    let prepares = heat(rig, client);
    assert!(prepares.iter().all(|(_, request)| request.text() == TYPED), "{prepares:?}");
    prepares
}

/// The shape is prepared on all nodes.
pub(crate) fn prepare_shape(rig: &mut Rig) {
    let client = rig.clients[0];
    let before = rig.engine.tally().shapes_prepared;
    let prepares = heat_with_types(rig, client);
    assert_eq!(prepares.len(), 3, "one for each node");
    for (lane, request) in prepares {
        rig.result(lane, request.stream(), &prepared(&ID, 0, "tab.t", &[]));
    }
    assert_eq!(rig.engine.tally().shapes_prepared, before + 1);
}

/// Sends a QUERY and returns what reached the node.
pub(crate) fn send(rig: &mut Rig, frame: &[u8]) -> (LaneKey, Frame) {
    let client = rig.clients[0];
    rig.send(client, frame);
    rig.request()
}

/// The table changes, of which nodes are asked whether they agree.
pub(crate) fn alter(rig: &mut Rig) {
    rig.input(|engine| engine.on_event(&schema_event("UPDATED", "tab", Some("t"))));
    assert_eq!(rig.all_requests().len(), 3);
}

#[test]
fn a_text_that_is_seen_often_is_executed() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    for key in -5..5i32 {
        let (lane, request) = send(&mut rig, &query(3, &text(key)));
        let expected = execute(request.stream(), &ID, &key.to_be_bytes());
        assert_eq!((request.opcode(), &*request.body), (Opcode::Execute, &expected[9..]));
        rig.result(lane, request.stream(), &rows(b"shaped"));
        assert_eq!(rig.answer(client).mark(), b"shaped");
    }
    assert_eq!(rig.engine.tally().texts_executed, 10);
    assert_eq!(rig.engine.gauges().shapes, 1);
    rig.finish();
}

#[test]
fn parameters_of_a_query_are_kept() {
    let mut rig = rig();
    prepare_shape(&mut rig);
    let ask = |out: &mut Vec<u8>| {
        Consistency::LocalQuorum.put(out);
        out.push(0x04 | 0x08 | 0x10 | 0x20);
    };
    let rest = |out: &mut Vec<u8>| {
        put_int(out, 100);
        put_bytes(out, Some(b"page"));
        Consistency::LocalSerial.put(out);
        out.extend_from_slice(&5i64.to_be_bytes());
    };
    let (_, request) = send(
        &mut rig,
        &client_frame(3, Opcode::Query, |out| {
            put_long_string(out, &text(5));
            ask(out);
            rest(out);
        }),
    );
    let mut expected = execute_at(0, &ID, &5i32.to_be_bytes(), Consistency::LocalQuorum, 0x3c);
    rest(&mut expected);
    assert_eq!(request.body, expected[9..]);
    rig.finish();
}

#[test]
fn bound_values_stand_where_their_markers_do() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    let key = 5i32.to_be_bytes();
    let values: &[Bound<'_>] = &[(None, Some(&key))];
    let (lane, request) = send(&mut rig, &query_with(3, SHAPE, values));
    assert_eq!(request.body, execute(0, &ID, &key)[9..]);
    rig.result(lane, request.stream(), &rows(b""));
    rig.answer(client);
    // Names, and another number of values, are for the node to judge.
    for values in [&[(Some("k"), Some(&key[..]))][..], &[], &[(None, Some(&key)), (None, None)]] {
        let frame = query_with(3, SHAPE, values);
        let (lane, request) = send(&mut rig, &frame);
        assert_eq!((request.opcode(), &*request.body), (Opcode::Query, &frame[9..]));
        rig.result(lane, request.stream(), &rows(b""));
        rig.answer(client);
    }
    rig.finish();
}

#[test]
fn an_uncertain_text_stays_text() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    let flags = |flags: u8| {
        client_frame(3, Opcode::Query, |out| {
            put_long_string(out, &text(5));
            Consistency::One.put(out);
            out.push(flags);
        })
    };
    let traced = frame(FrameHead { version: 4, flags: 2, stream: 3 }, Opcode::Query, |out| {
        out.extend_from_slice(&query(3, &text(5))[9..]);
    });
    for frame in [
        query(3, "SELECT v FROM tab.t WHERE k = 'five'"),
        query(3, "SELECT v FROM tab.t WHERE k = 5000000000"),
        query(3, "SELECT v FROM tab.t WHERE k = null"),
        query(3, "SELECT v FROM tab.t WHERE k = 2 + 3"),
        query(3, "SELECT v FROM tab.t WHERE k IN (5)"),
        query(3, "SELECT v FROM tab.t WHERE k = 5 LIMIT 1"),
        traced,
        flags(0x02),
    ] {
        let (lane, request) = send(&mut rig, &frame);
        assert_eq!((request.opcode(), &*request.body), (Opcode::Query, &frame[9..]));
        rig.result(lane, request.stream(), &rows(b""));
        rig.answer(client);
    }
    rig.finish();
}

#[test]
fn the_tables_of_servers_and_batches_are_never_prepared() {
    let mut rig = rig();
    let client = rig.clients[0];
    for text in [
        "SELECT * FROM system_distributed.view_build_status WHERE keyspace_name = 'a'",
        "BEGIN BATCH DELETE FROM tab.t WHERE k = 5; APPLY BATCH",
        "INSERT INTO tab.t JSON '{\"k\": 5}'",
    ] {
        for _ in 0..50 {
            let (lane, request) = send(&mut rig, &query(3, text));
            assert_eq!((request.opcode(), request.text()), (Opcode::Query, text));
            rig.result(lane, request.stream(), &void());
            rig.answer(client);
        }
    }
    rig.finish();
}

#[test]
fn a_shape_is_forgotten_when_its_table_changes() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    alter(&mut rig);
    let (lane, request) = send(&mut rig, &query(1, &text(5)));
    assert_eq!(request.opcode(), Opcode::Query);
    rig.result(lane, request.stream(), &rows(b""));
    rig.answer(client);
    rig.finish();
}

#[test]
fn a_text_is_sent_when_its_shape_is_forgotten_there() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    let (lane, request) = send(&mut rig, &query(3, &text(5)));
    rig.error(lane, request.stream(), &unprepared(&ID));
    let (asked, prepares) = split(rig.all_requests());
    let ([(text_lane, again)], [(prepare_lane, prepare)]) = (&asked[..], &prepares[..]) else {
        panic!("{asked:?} {prepares:?}")
    };
    assert_eq!((again.opcode(), again.text(), prepare.text()), (Opcode::Query, &*text(5), TYPED));
    // Until it is prepared again, texts are sent.
    let (lane, other) = send(&mut rig, &query(4, &text(6)));
    assert_eq!(other.opcode(), Opcode::Query);
    rig.result(lane, other.stream(), &rows(b"other"));
    assert_eq!(rig.answer(client).mark(), b"other");
    rig.result(*prepare_lane, prepare.stream(), &prepared(&ID, 0, "tab.t", &[]));
    rig.result(*text_lane, again.stream(), &rows(b"again"));
    assert_eq!(rig.answer(client).mark(), b"again");
    assert_eq!(send(&mut rig, &query(5, &text(7))).1.opcode(), Opcode::Execute);
    rig.finish();
}

#[test]
fn other_errors_are_the_clients() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    for code in [ErrorCode::READ_TIMEOUT, ErrorCode::UNAUTHORIZED] {
        let (lane, request) = send(&mut rig, &query(3, &text(5)));
        assert_eq!(request.opcode(), Opcode::Execute);
        rig.error(lane, request.stream(), &error(code, "so it is"));
        assert_eq!(rig.answer(client).code(), code);
    }
    rig.finish();
}

#[test]
fn a_text_whose_lane_is_lost_is_sent_as_text() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    let (lane, request) = send(&mut rig, &query(3, &text(5)));
    assert_eq!(request.opcode(), Opcode::Execute);
    rig.lose(lane);
    let (lane, request) = rig.request();
    assert_eq!((request.opcode(), request.text()), (Opcode::Query, &*text(5)));
    rig.result(lane, request.stream(), &rows(b"read"));
    assert_eq!(rig.answer(client).mark(), b"read");
    rig.finish();
}

#[test]
fn a_client_that_uses_a_keyspace_shares_the_shape_with_those_that_name_it() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    let (_, lane) = use_keyspace(&mut rig, client, "tab");
    let unqualified = "SELECT v FROM t WHERE k = 5";
    rig.send(client, &query(3, unqualified));
    let [request] = &rig.requests(lane)[..] else { panic!("on its own lanes") };
    assert_eq!((request.opcode(), request.text()), (Opcode::Query, unqualified));
    rig.finish();
}

#[test]
fn a_node_reports_the_tablet_of_a_shape_that_went_astray() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    let (lane, request) = send(&mut rig, &query(3, &text(5)));
    let payload = tablet_payload(i64::MIN, i64::MAX, &[(host(1).0, 1)]);
    let body = [payload, rows(b"read")].concat();
    rig.respond(lane, FLAG_PAYLOAD, request.stream(), Opcode::Result, &body);
    let answer = rig.answer(client);
    assert_eq!((answer.header.flags, answer.mark()), (0, &b"read"[..]));
    let (lane, _) = send(&mut rig, &query(3, &text(6)));
    assert_eq!(lane, rig.lanes[3]);
    assert_eq!(rig.decisions(Reason::TextLiteral), 1);
    rig.finish();
}

#[test]
fn a_node_that_knows_ids_of_metadata_describes_the_rows() {
    let mut rig = Rig::with_settings(|settings| settings.runs_shapes = true);
    rig.metadata_ids = true;
    rig.open_all_lanes();
    rig.know_key("tab", "t", &[("k", ColumnType::Int)]);
    let client = rig.client();
    for (lane, request) in heat_with_types(&mut rig, client) {
        let mut body = prepared(&ID, 0, "tab.t", &[]);
        // The id of the metadata follows that of the statement.
        body.splice(22..22, [0, 2, b'm', b'd']);
        rig.result(lane, request.stream(), &body);
    }
    let (_, request) = send(&mut rig, &query(3, &text(5)));
    let mut expected = execute(0, &ID, &5i32.to_be_bytes())[9..].to_vec();
    expected.splice(18..18, [0, 0]);
    assert_eq!(request.body, expected, "an empty id matches no columns");
    rig.finish();
}

#[test]
fn a_client_of_protocol_v3_is_served_the_same() {
    let mut rig = rig();
    prepare_shape(&mut rig);
    let client = rig.client_of(3, None);
    rig.send(client, &of_version(3, query(3, &text(5))));
    let (lane, request) = rig.request();
    assert_eq!(request.body, execute(0, &ID, &5i32.to_be_bytes())[9..]);
    rig.result(lane, request.stream(), &rows(b"read"));
    assert_eq!(rig.answer(client).mark(), b"read");
    rig.finish();
}

#[test]
fn texts_are_sent_as_they_are_where_that_is_not_wanted() {
    let mut rig = Rig::with_all_lanes();
    rig.know_key("tab", "t", &[("k", ColumnType::Int)]);
    let client = rig.client();
    for key in 0..100 {
        rig.send(client, &query(3, &text(key)));
        let (lane, request) = rig.request();
        assert_eq!(request.text(), text(key));
        rig.result(lane, request.stream(), &rows(b""));
        rig.answer(client);
    }
    rig.finish();
}
