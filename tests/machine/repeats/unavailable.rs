//! UNAVAILABLE and SERVER_ERROR: one other node is asked where nothing can have been changed.

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::header::HEADER_LEN;
use cql::response::error::{Extras, write_error_with};
use shardlane::engine::pending::LaneKey;

use crate::support::frames::{batch, error, execute, prepare, prepared, query, rows};
use crate::support::rig::{Rig, SHARDS};

const ID: [u8; 16] = [9; 16];

/// The node of a lane, of those that `open_all_lanes` opens.
fn node_of(rig: &Rig, lane: LaneKey) -> usize {
    let at = rig.lanes.iter().position(|it| *it == lane).expect("a lane of the rig");
    at / usize::from(SHARDS)
}

fn unavailable(alive: i32) -> Vec<u8> {
    let mut frame = Vec::new();
    let (consistency, required) = (Consistency::Quorum, 2);
    let extras = Extras::Unavailable { consistency, required, alive };
    write_error_with(&mut frame, 4, 0, "Cannot achieve consistency level", &extras);
    frame.split_off(HEADER_LEN)
}

#[test]
fn an_unavailable_is_asked_of_one_other_node_whose_word_counts() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.prepare_insert(client, "tab", 7);
    let asked = [
        execute(1, &ID, b"key "),
        execute(2, &[7; 16], b"key "),
        query(3, "SELECT v FROM tab.t WHERE k = 1"),
        query(4, "INSERT INTO tab.t (k) VALUES (1)"),
    ];
    for request in asked {
        rig.send(client, &request);
        let (first, sent) = rig.request();
        rig.error(first, sent.stream(), &unavailable(0));
        assert!(rig.answers(client).is_empty());
        let (second, again) = rig.request();
        assert_ne!(node_of(&rig, first), node_of(&rig, second));
        assert_eq!(sent.body, again.body);
        rig.error(second, again.stream(), &unavailable(1));
        assert_eq!(rig.answer(client).body, unavailable(1), "the word of the second");
        assert!(rig.all_requests().is_empty(), "no third is asked");
    }
    assert_eq!(rig.engine.tally().resent, 4);
    rig.finish();
}

#[test]
fn an_unavailable_write_that_may_have_changed_rows_is_not_repeated() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let statements = [
        (5, "INSERT INTO tab.t (k) VALUES (?) IF NOT EXISTS"),
        (6, "UPDATE tab.t SET v = 1 WHERE k IN (1, 2)"),
        (7, "UPDATE tab.t SET c = c + 1 WHERE k = ?"),
    ];
    for (id, text) in statements {
        let answer = prepared(&[id; 16], 0, "tab.t", b"");
        rig.prepare(client, text, &answer);
    }
    let asked = [
        execute(1, &[5; 16], b"key "),
        execute(2, &[6; 16], b"key "),
        execute(3, &[7; 16], b"key "),
        query(4, "UPDATE tab.t SET c = c - 1 WHERE k = 1"),
        query(5, "DELETE FROM tab.t WHERE k = 1 IF EXISTS"),
        query(6, "DELETE FROM tab.t WHERE k IN (1, 2)"),
        query(7, "TRUNCATE tab.t"),
        batch(8, 0, &[(&ID, b"key ")]),
        batch(9, 1, &[(&ID, b"key ")]),
        batch(10, 2, &[(&ID, b"key ")]),
    ];
    for request in asked {
        rig.send(client, &request);
        let (lane, sent) = rig.request();
        rig.error(lane, sent.stream(), &unavailable(0));
        assert_eq!(rig.answer(client).body, unavailable(0));
    }
    assert_eq!(rig.engine.tally().resent, 0);
    rig.finish();
}

#[test]
fn a_read_that_one_node_cannot_run_is_asked_of_another_and_a_write_is_not() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let broken = error(ErrorCode::SERVER_ERROR, "std::bad_alloc");
    rig.send(client, &query(1, "SELECT"));
    let (first, sent) = rig.request();
    rig.error(first, sent.stream(), &broken);
    let (second, again) = rig.request();
    assert_ne!(node_of(&rig, first), node_of(&rig, second));
    rig.result(second, again.stream(), &rows(b"rows"));
    assert_eq!(rig.answer(client).mark(), b"rows");
    for request in [query(2, "INSERT"), prepare(3, "SELECT v FROM tab.t WHERE k = ?")] {
        rig.send(client, &request);
        let (lane, sent) = rig.request();
        rig.error(lane, sent.stream(), &broken);
        assert_eq!(rig.answer(client).body, broken);
    }
    rig.finish();
}

#[test]
fn an_unavailable_of_the_only_node_is_not_asked_of_it_again() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let _other = rig.lane(0, 1);
    let client = rig.client();
    rig.send(client, &query(1, "SELECT"));
    let (at, sent) = rig.request();
    rig.error(at, sent.stream(), &unavailable(0));
    assert_eq!(rig.answer(client).body, unavailable(0));
    assert!(rig.requests(lane).is_empty());
    rig.finish();
}

#[test]
fn unavailable_requests_are_repeated_within_a_budget_of_their_own() {
    let mut rig = Rig::with_limits(|limits| {
        (limits.retry_percent, limits.retry_floor_per_s) = (20, 0);
    });
    rig.open_all_lanes();
    let client = rig.client();
    for stream in 0..99 {
        rig.send(client, &query(stream, "SELECT"));
    }
    for (lane, sent) in rig.all_requests() {
        rig.error(lane, sent.stream(), &unavailable(0));
    }
    let repeated = rig.all_requests();
    // STARTUP counts as well.
    assert_eq!((repeated.len(), rig.answers(client).len()), (20, 79));
    assert_eq!(rig.engine.tally().retries_refused, 79);
    let (busy, sent) = repeated[0].clone();
    rig.error(busy, sent.stream(), &error(ErrorCode::OVERLOADED, "busy"));
    assert_eq!(rig.all_requests().len(), 1, "what a busy node refuses has its own");
    rig.finish();
}
