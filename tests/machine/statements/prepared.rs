//! Statements that a node forgot are prepared there again, while that is safe.

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::response::error::Extras;
use shardlane::engine::pending::LaneKey;
use shardlane::routing::decision::Reason;

use crate::support::frames::{
    Frame, SKIP_METADATA, batch, error, execute, execute_at, prepared, rows, schema_change,
    schema_event, unprepared, void,
};
use crate::support::rig::Rig;

const ID: [u8; 16] = [9; 16];
const TEXT: &str = "SELECT v FROM tab.t WHERE k = ? /* 9 */";

fn rig() -> Rig {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig
}

/// The node answers UNPREPARED; returns the PREPARE that it gets then.
fn forget(rig: &mut Rig, lane: LaneKey, stream: i16, id: &[u8]) -> (LaneKey, Frame) {
    rig.error(lane, stream, &unprepared(id));
    let (again, request) = rig.request();
    assert_eq!(request.opcode(), Opcode::Prepare);
    (again, request)
}

fn same_node(rig: &Rig, a: LaneKey, b: LaneKey) -> bool {
    let node = |lane| rig.lanes.iter().position(|known| *known == lane).unwrap() / 2;
    node(a) == node(b)
}

#[test]
fn a_forgotten_statement_is_prepared_on_that_node_and_the_request_sent_again() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.send(client, &execute(4, &ID, b"key "));
    let (lane, request) = rig.request();
    let (again, prepare) = forget(&mut rig, lane, request.stream(), &ID);
    assert!(same_node(&rig, lane, again));
    assert_eq!(prepare.text(), TEXT);
    assert!(rig.answers(client).is_empty());

    rig.result(again, prepare.stream(), &prepared(&ID, 0, "tab.t", b"columns"));
    let (to, repeated) = rig.request();
    assert_eq!((to, &repeated.body), (lane, &request.body));
    rig.result(to, repeated.stream(), &rows(b"rows"));
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.mark()), (4, &b"rows"[..]));
    assert_eq!(rig.engine.tally().reprepared, 1);
    rig.finish();
}

#[test]
fn requests_that_wait_for_one_statement_on_one_node_cost_one_prepare() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    for stream in 0..20 {
        rig.send(client, &execute(stream, &ID, b"key "));
    }
    for request in rig.requests(lane) {
        rig.error(lane, request.stream(), &unprepared(&ID));
    }
    let (_, prepare) = rig.request();
    assert_eq!(prepare.text(), TEXT);
    rig.result(lane, prepare.stream(), &prepared(&ID, 0, "tab.t", b"columns"));
    let repeated = rig.requests(lane);
    assert_eq!(repeated.len(), 20);
    for request in repeated {
        rig.result(lane, request.stream(), &rows(b"rows"));
    }
    assert_eq!(rig.answers(client).len(), 20);
    rig.finish();
}

#[test]
fn a_node_that_forgets_again_and_again_is_believed_after_two_repeats() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.send(client, &execute(4, &ID, b"key "));
    let (mut lane, mut request) = rig.request();
    for _ in 0..2 {
        let (again, prepare) = forget(&mut rig, lane, request.stream(), &ID);
        rig.result(again, prepare.stream(), &prepared(&ID, 0, "tab.t", b"columns"));
        (lane, request) = rig.request();
        assert_eq!(request.opcode(), Opcode::Execute);
    }
    rig.error(lane, request.stream(), &unprepared(&ID));
    assert!(rig.all_requests().is_empty());
    let answer = rig.answer(client);
    assert_eq!(answer.error().extras, Extras::Unprepared { id: Some(&ID) });
    rig.finish();
}

#[test]
fn a_statement_that_returns_other_columns_now_is_for_the_client_to_prepare() {
    for answer in [
        prepared(&ID, 0, "tab.t", b"other columns"),
        prepared(&[8; 16], 0, "tab.t", b"columns"),
        void(),
    ] {
        let mut rig = rig();
        let client = rig.clients[0];
        rig.send(client, &execute(4, &ID, b"key "));
        let (lane, request) = rig.request();
        let (again, prepare) = forget(&mut rig, lane, request.stream(), &ID);
        rig.result(again, prepare.stream(), &answer);
        assert!(rig.all_requests().is_empty());
        let answer = rig.answer(client);
        assert_eq!((answer.stream(), answer.code()), (4, ErrorCode::UNPREPARED));
        assert_eq!(answer.error().extras, Extras::Unprepared { id: Some(&ID) });
        rig.finish();
    }
}

#[test]
fn other_columns_of_one_answer_are_asked_for_by_the_next_request() {
    let mut rig = rig();
    let (first, second) = (rig.clients[0], rig.client());
    rig.send(first, &execute(4, &ID, b"key "));
    let (lane, request) = rig.request();
    let (again, prepare) = forget(&mut rig, lane, request.stream(), &ID);
    rig.result(again, prepare.stream(), &prepared(&ID, 0, "tab.t", b"more columns"));
    assert_eq!(rig.answer(first).code(), ErrorCode::UNPREPARED);

    // The node knows the statement again, with columns that this client does not hold.
    rig.send(second, &execute_at(5, &ID, b"key ", Consistency::One, SKIP_METADATA));
    let (lane, request) = rig.request();
    assert_eq!(request.body[2 + 16 + 2] & SKIP_METADATA, 0);
    rig.result(lane, request.stream(), &rows(b"row"));
    assert_eq!(rig.answer(second).stream(), 5);
    rig.finish();
}

#[test]
fn a_statement_that_cannot_be_prepared_any_more_is_unprepared_for_its_client() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.send(client, &execute(4, &ID, b"key "));
    let (lane, request) = rig.request();
    let (again, prepare) = forget(&mut rig, lane, request.stream(), &ID);
    rig.error(again, prepare.stream(), &error(ErrorCode::INVALID, "unconfigured table t"));
    assert_eq!(rig.answer(client).error().extras, Extras::Unprepared { id: Some(&ID) });
    rig.finish();
}

#[test]
fn the_id_in_the_error_is_not_trusted() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.send(client, &execute(4, &ID, b"key "));
    let (lane, request) = rig.request();
    // A server that misread the request names what it took for the id.
    let (_, prepare) = forget(&mut rig, lane, request.stream(), &[0]);
    assert_eq!(prepare.text(), TEXT);
    rig.finish();
}

#[test]
fn an_unknown_id_is_passed_back() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.send(client, &execute(4, &[1; 16], b"key "));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &unprepared(&[1; 16]));
    assert!(rig.all_requests().is_empty());
    assert_eq!(rig.answer(client).error().extras, Extras::Unprepared { id: Some(&[1; 16]) });
    rig.finish();
}

#[test]
fn a_batch_with_a_forgotten_child_is_sent_again() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.prepare_insert(client, "tab", 7);
    rig.send(client, &batch(4, 1, &[(&ID, b"a"), (&[7; 16], b"b")]));
    let (lane, request) = rig.request();
    let (again, prepare) = forget(&mut rig, lane, request.stream(), &[7; 16]);
    assert_eq!(prepare.text(), "INSERT INTO tab.t (k) VALUES (?) /* 7 */");
    rig.result(again, prepare.stream(), &prepared(&[7; 16], 0, "tab.t", b""));
    let (to, repeated) = rig.request();
    assert_eq!((to, &repeated.body), (lane, &request.body));
    rig.result(to, repeated.stream(), &void());
    assert_eq!(rig.answer(client).stream(), 4);
    rig.finish();
}

#[test]
fn a_batch_is_not_repeated_for_an_id_that_it_does_not_name() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.prepare_insert(client, "tab", 7);
    rig.send(client, &batch(4, 1, &[(&ID, b"a")]));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &unprepared(&[7; 16]));
    assert!(rig.all_requests().is_empty());
    assert_eq!(rig.answer(client).code(), ErrorCode::UNPREPARED);
    rig.finish();
}

#[test]
fn a_node_lost_while_it_prepares_gives_the_request_to_another() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.send(client, &execute(4, &ID, b"key "));
    let (lane, request) = rig.request();
    let (again, _) = forget(&mut rig, lane, request.stream(), &ID);
    rig.lose(again);
    let (to, repeated) = rig.request();
    assert_eq!(repeated.body, request.body);
    rig.result(to, repeated.stream(), &rows(b"rows"));
    assert_eq!(rig.answer(client).mark(), b"rows");
    rig.finish();
}

#[test]
fn a_client_that_left_while_its_statement_is_prepared_gets_nothing_run() {
    let mut rig = rig();
    let client = rig.client();
    rig.send(client, &execute(4, &ID, b"key "));
    let (lane, request) = rig.request();
    let (again, prepare) = forget(&mut rig, lane, request.stream(), &ID);
    rig.leave(client);
    rig.result(again, prepare.stream(), &prepared(&ID, 0, "tab.t", b"columns"));
    assert!(rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn rows_come_with_their_columns_after_the_table_changed() {
    let mut rig = rig();
    let client = rig.clients[0];
    let flags = |frame: &Frame| frame.body[2 + 16 + 2];
    rig.send(client, &execute_at(4, &ID, b"key ", Consistency::One, SKIP_METADATA));
    assert_eq!(flags(&rig.request().1), SKIP_METADATA | 1);
    rig.input(|engine| engine.on_event(&schema_event("UPDATED", "tab", Some("t"))));
    let _questions = rig.all_requests();
    rig.send(client, &execute_at(5, &ID, b"key ", Consistency::One, SKIP_METADATA));
    assert_eq!(flags(&rig.request().1), 1);
    rig.finish();
}

#[test]
fn a_request_from_before_a_change_asks_for_its_columns_when_it_is_repeated() {
    let mut rig = rig();
    let (old, new) = (rig.clients[0], rig.client());
    rig.send(old, &execute_at(4, &ID, b"key ", Consistency::One, SKIP_METADATA));
    let (lane, request) = rig.request();
    // Meanwhile the table changes, and another client prepares the statement as it is now.
    let now = prepared(&ID, 0, "tab.t", b"more columns");
    rig.prepare(new, TEXT, &now);
    let (again, prepare) = forget(&mut rig, lane, request.stream(), &ID);
    rig.result(again, prepare.stream(), &now);
    let (_, repeated) = rig.request();
    assert_eq!(repeated.opcode(), Opcode::Execute);
    assert_eq!(repeated.body[2 + 16 + 2] & SKIP_METADATA, 0);
    rig.finish();
}

#[test]
fn a_dropped_table_forgets_its_tablets() {
    let mut rig = rig();
    let client = rig.clients[0];
    rig.send(client, &crate::support::frames::query(1, "DROP TABLE tab.t"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &schema_change("DROPPED", "tab", Some("t")));
    assert_eq!(rig.engine.gauges().tablets, 0);
    rig.finish();
}

/// A rig that asks clients to prepare again what was not prepared here.
fn asking() -> Rig {
    let mut rig = Rig::with_settings(|settings| settings.asks_to_prepare = true);
    rig.open_all_lanes();
    rig
}

#[test]
fn an_id_that_was_not_prepared_here_is_asked_for_once() {
    let mut rig = asking();
    let (client, other) = (rig.client(), rig.client());
    rig.send(client, &[execute(1, &[9; 16], b"k"), execute(2, &[9; 16], b"k")].concat());
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (1, ErrorCode::UNPREPARED));
    assert_eq!(answer.body, unprepared(&[9; 16]));
    let (_, second) = rig.request();
    assert_eq!(second.body, execute(2, &[9; 16], b"k")[9..], "it is asked for once");
    assert_eq!(rig.decisions(Reason::UnknownStatement), 1);

    // Another client has not been asked, and another id neither.
    rig.send(other, &execute(3, &[9; 16], b"k"));
    rig.send(client, &execute(4, &[8; 16], b"k"));
    for (client, id) in [(other, 9), (client, 8)] {
        assert_eq!(rig.answer(client).body, unprepared(&[id; 16]));
    }
    assert_eq!(rig.engine.tally().asked_to_prepare, 3);

    // What is prepared again is routed.
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 1)]);
    rig.send(client, &execute(5, &[9; 16], b"k"));
    assert_eq!(rig.requests(rig.lanes[3]).len(), 1);
    rig.finish();
}

#[test]
fn nothing_is_asked_for_that_could_not_be_prepared() {
    let mut rig = Rig::with_settings(|settings| settings.asks_to_prepare = true);
    let client = rig.client();
    rig.send(client, &execute(1, &[9; 16], b"k"));
    assert_eq!(rig.answer(client).code().0, 0x1001, "there is no lane");
    rig.open_all_lanes();
    // A truncated id is none that a driver could look up.
    rig.send(client, &execute(2, &[9; 5], b"k"));
    let _forwarded = rig.request();
    assert_eq!(rig.engine.tally().asked_to_prepare, 0);
    rig.finish();
}

#[test]
fn ids_asked_for_are_bounded_and_forgotten_with_their_client() {
    let mut rig = asking();
    let ask = |rig: &mut Rig, client, number: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        rig.send(client, &execute(1, &id, b"k"));
        let is_asked = !rig.answers(client).is_empty();
        for (lane, request) in rig.all_requests() {
            rig.result(lane, request.stream(), &void());
        }
        let _answered = rig.answers(client);
        is_asked
    };
    let client = rig.client();
    let asked = (0..1_100).filter(|number| ask(&mut rig, client, *number)).count();
    assert_eq!(asked, 1_024);
    rig.leave(client);
    let client = rig.client();
    assert!(ask(&mut rig, client, 7));
    rig.finish();
}
