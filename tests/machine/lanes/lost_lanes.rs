//! A lane is lost: unsent requests and reads go elsewhere, the outcome of writes is unknown.

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::response::error::{ErrorMessage, Extras};
use shardlane::engine::client::ClientKey;

use crate::support::frames::{
    LWT_MASK, batch, error, execute, execute_at, prepare, prepared, query, query_at, rows, void,
};
use crate::support::rig::Rig;

#[test]
fn a_request_that_never_left_is_sent_elsewhere_even_a_write() {
    let mut rig = Rig::new();
    let first = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &query(1, "INSERT"));
    let second = rig.lane(1, 0);
    rig.lose(first);
    let request = rig.requests(second).remove(0);
    assert_eq!(request.text(), "INSERT");
    rig.result(second, request.stream(), &void());
    assert_eq!(rig.answer(client).stream(), 1);
    rig.finish();
}

#[test]
fn a_frame_that_left_by_half_never_ran_and_is_sent_elsewhere() {
    let mut rig = Rig::new();
    let first = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[query(1, "INSERT 1"), query(2, "INSERT 2")].concat());
    let len = query(1, "INSERT 1").len();
    rig.input(|engine| engine.on_lane_sent(first, len + len - 1));
    let second = rig.lane(1, 0);
    rig.lose(first);
    assert_eq!(rig.requests(second).remove(0).text(), "INSERT 2");
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (1, ErrorCode::WRITE_TIMEOUT));
    rig.finish();
}

#[test]
fn a_read_that_left_is_sent_elsewhere_and_in_the_end_answered_as_timed_out() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query_at(1, "SELECT", Consistency::Quorum));
    let (mut lane, mut request) = rig.request();
    let mut sent = 0;
    let answer = loop {
        assert_eq!(request.text(), "SELECT");
        sent += 1;
        rig.lose(lane);
        if let Some(answer) = rig.answers(client).pop() {
            break answer;
        }
        (lane, request) = rig.request();
    };
    assert!((2..=3).contains(&sent), "{sent}");
    let extras = Extras::ReadTimeout {
        consistency: Consistency::Quorum,
        received: 0,
        block_for: 1,
        data_present: false,
    };
    assert_eq!(answer.error().extras, extras);
    rig.finish();
}

#[test]
fn an_executed_read_goes_to_another_lane() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "ring", 9);
    rig.send(client, &execute(1, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    rig.lose(lane);
    let (other, repeated) = rig.request();
    assert_eq!(repeated.body, request.body);
    rig.result(other, repeated.stream(), &rows(b"rows"));
    assert_eq!(rig.answer(client).mark(), b"rows");
    rig.finish();
}

#[test]
fn a_write_whose_id_a_node_also_gave_to_a_read_is_not_sent_again() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_insert(client, "ring", 9);
    rig.prepare_select(client, "ring", 9);
    rig.send(client, &execute(1, &[9; 16], b"key "));
    let (lane, _) = rig.request();
    rig.lose(lane);
    assert!(rig.all_requests().is_empty());
    assert_eq!(rig.answer(client).code(), ErrorCode::WRITE_TIMEOUT);
    rig.finish();
}

#[test]
fn a_write_that_left_is_answered_as_unknown_with_its_kind_and_consistency() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_insert(client, "tab", 9);
    let lwt = prepared(&[8; 16], LWT_MASK, "tab.t", b"");
    rig.send(client, &prepare(1, "INSERT INTO t (k) VALUES (?) IF NOT EXISTS"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &lwt);
    for (lane, request) in rig.all_requests() {
        rig.result(lane, request.stream(), &lwt);
    }
    assert_eq!(rig.answers(client).len(), 1);
    let child: (&[u8], &[u8]) = (&[9; 16], b"k");
    // The batches of these tests say LOCAL_QUORUM.
    for (bytes, consistency, write_type) in [
        (query_at(4, "INSERT", Consistency::Quorum), Consistency::Quorum, "SIMPLE"),
        (execute_at(4, &[9; 16], b"k", Consistency::Quorum, 0), Consistency::Quorum, "SIMPLE"),
        (execute_at(4, &[8; 16], b"k", Consistency::Quorum, 0), Consistency::Quorum, "CAS"),
        (batch(4, 0, &[child]), Consistency::LocalQuorum, "BATCH"),
        (batch(4, 1, &[child]), Consistency::LocalQuorum, "UNLOGGED_BATCH"),
        (batch(4, 2, &[child]), Consistency::LocalQuorum, "COUNTER"),
    ] {
        rig.send(client, &bytes);
        let (lane, _) = rig.request();
        rig.lose(lane);
        let answer = rig.answer(client);
        assert_eq!(answer.stream(), 4);
        let extras = Extras::WriteTimeout { consistency, received: 0, block_for: 1, write_type };
        assert_eq!(answer.error().extras, extras);
        assert!(rig.all_requests().is_empty(), "a write is never repeated");
        rig.open_all_lanes();
        let _warmed = rig.all_requests();
    }
    rig.finish();
}

/// The type by which a write is reported whose lane is lost.
fn type_of(rig: &mut Rig, client: ClientKey, bytes: &[u8]) -> (Consistency, String) {
    rig.send(client, bytes);
    let (lane, _) = rig.request();
    rig.lose(lane);
    let answer = rig.answer(client);
    let ErrorMessage { extras, .. } = answer.error();
    let Extras::WriteTimeout { consistency, write_type, .. } = extras else {
        panic!("{extras:?}");
    };
    rig.open_all_lanes();
    let _warmed = rig.all_requests();
    (consistency, write_type.to_owned())
}

#[test]
fn a_text_s_own_words_say_what_kind_of_write_was_lost() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let cas = "CAS".to_owned();
    for (text, write_type) in [
        ("INSERT INTO t (k) VALUES (1) IF NOT EXISTS", "CAS"),
        ("UPDATE t SET c = c + 1 WHERE k = 1", "COUNTER"),
        ("BEGIN BATCH INSERT INTO t (k) VALUES (1) APPLY BATCH", "BATCH"),
        ("BEGIN UNLOGGED BATCH UPDATE t SET c = c + 1 WHERE k = 1 APPLY BATCH", "COUNTER"),
        ("BEGIN BATCH DELETE FROM t WHERE k = 1 IF EXISTS APPLY BATCH", "CAS"),
        // No policy repeats these, which may have run.
        ("ALTER TABLE t ADD v int", "CAS"),
        ("GRANT SELECT ON t TO r", "CAS"),
    ] {
        let found = type_of(&mut rig, client, &query_at(4, text, Consistency::Quorum));
        assert_eq!(found, (Consistency::Quorum, write_type.to_owned()), "{text}");
    }
    // Whether the marker is for a counter or a list is not known here.
    let marked = query_at(4, "UPDATE t SET c = c + ? WHERE k = 1", Consistency::One);
    assert_eq!(type_of(&mut rig, client, &marked).1, cas);
    let unknown = execute_at(4, &[7; 16], b"k", Consistency::Two, 0);
    assert_eq!(type_of(&mut rig, client, &unknown), (Consistency::Two, cas));
    rig.finish();
}

#[test]
fn a_batch_is_a_transaction_or_counts_when_one_of_its_statements_does() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_insert(client, "tab", 9);
    for (id, text) in [
        (8, "INSERT INTO t (k) VALUES (?) IF NOT EXISTS"),
        (6, "UPDATE t SET c = c + 1 WHERE k = ?"),
    ] {
        rig.send(client, &prepare(1, text));
        let answer = prepared(&[id; 16], 0, "tab.t", b"");
        for (lane, request) in rig.all_requests() {
            rig.result(lane, request.stream(), &answer);
        }
        let _spread = rig.all_requests();
        assert_eq!(rig.answers(client).len(), 1);
    }
    let child = |id: u8| -> (Vec<u8>, Vec<u8>) { (vec![id; 16], b"k".to_vec()) };
    for (kind, ids, write_type) in [
        (0, vec![9, 9], "BATCH"),
        (0, vec![9, 8], "CAS"),
        (1, vec![9, 6], "COUNTER"),
        (1, vec![9, 5], "CAS"),
    ] {
        let children: Vec<_> = ids.iter().map(|id| child(*id)).collect();
        let children: Vec<(&[u8], &[u8])> =
            children.iter().map(|(id, key)| (&id[..], &key[..])).collect();
        let found = type_of(&mut rig, client, &batch(4, kind, &children));
        assert_eq!(found, (Consistency::LocalQuorum, write_type.to_owned()), "{kind} {ids:?}");
    }
    rig.finish();
}

#[test]
fn a_write_too_long_to_keep_is_reported_with_its_kind_and_consistency_all_the_same() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_insert(client, "tab", 9);
    let long = vec![7; 300 << 10];
    let child: (&[u8], &[u8]) = (&[9; 16], &long);
    for (kind, write_type) in [(0, "BATCH"), (2, "COUNTER")] {
        let found = type_of(&mut rig, client, &batch(4, kind, &[child]));
        assert_eq!(found, (Consistency::LocalQuorum, write_type.to_owned()));
    }
    let execute = execute_at(4, &[9; 16], &long, Consistency::Quorum, 0);
    let found = type_of(&mut rig, client, &execute);
    assert_eq!(found, (Consistency::Quorum, "SIMPLE".to_owned()));
    rig.finish();
}

#[test]
fn a_statement_to_prepare_goes_elsewhere() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &prepare(1, "INSERT"));
    let (lane, _) = rig.request();
    rig.lose(lane);
    let (other, repeated) = rig.request();
    assert_eq!(repeated.opcode(), Opcode::Prepare);
    rig.result(other, repeated.stream(), &prepared(&[9; 16], 0, "tab.t", b""));
    assert_eq!(rig.answer(client).stream(), 1);
    rig.finish();
}

#[test]
fn the_last_lane_answers_everything_as_it_goes() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[query(1, "SELECT"), query(2, "INSERT"), prepare(3, "SELECT")].concat());
    assert_eq!(rig.requests(lane).len(), 3);
    rig.send(client, &query(4, "INSERT unsent"));
    rig.lose(lane);
    let codes: Vec<_> = rig.answers(client).iter().map(|a| (a.stream(), a.code())).collect();
    let expected = [
        (1, ErrorCode::OVERLOADED),
        (2, ErrorCode::WRITE_TIMEOUT),
        (3, ErrorCode::OVERLOADED),
        (4, ErrorCode::OVERLOADED),
    ];
    assert_eq!(codes, expected);
    rig.finish();
}

#[test]
fn a_write_too_long_to_keep_that_never_left_is_refused_and_not_unknown() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query(1, &format!("INSERT {}", "x".repeat(300 << 10))));
    let busy = rig.lanes.clone().into_iter();
    let lane =
        busy.max_by_key(|lane| rig.engine.lane_output(*lane).map_or(0, <[u8]>::len)).unwrap();
    rig.lose(lane);
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);
    rig.finish();
}

#[test]
fn a_lane_that_is_lost_twice_is_lost_once() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query(1, "INSERT"));
    let (lane, _) = rig.request();
    rig.lose(lane);
    rig.lose(lane);
    assert_eq!(rig.answers(client).len(), 1);
    rig.finish();
}

#[test]
fn a_second_lane_to_a_place_replaces_the_first() {
    let mut rig = Rig::new();
    let first = rig.lane(0, 0);
    let second = rig.lane(0, 0);
    assert_eq!(rig.lanes_to_close(), [first]);
    let client = rig.client();
    for stream in 0..4 {
        rig.send(client, &query(stream, "SELECT"));
    }
    assert_eq!(rig.requests(second).len(), 4);
    rig.lose(first);
    rig.send(client, &query(5, "SELECT"));
    assert_eq!(rig.requests(second).len(), 1);
    rig.finish();
}

#[test]
fn a_write_that_a_draining_node_refused_runs_on_another() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_insert(client, "tab", 1);
    rig.send(client, &execute(5, &[1; 16], b"k"));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &error(ErrorCode::OVERLOADED, "Server is shutting down"));
    assert_eq!(rig.lanes_to_close(), [lane], "it takes nothing more");
    rig.lose(lane);
    let (other, again) = rig.request();
    assert_ne!(other, lane);
    rig.result(other, again.stream(), &void());
    assert_eq!(rig.answer(client).stream(), 5);
    rig.finish();
}

#[test]
fn a_write_that_may_have_begun_is_not_sent_again() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_insert(client, "tab", 1);
    rig.send(client, &execute(5, &[1; 16], b"k"));
    let (lane, request) = rig.request();
    let refusal = error(ErrorCode::OVERLOADED, "Too many in flight hints: 10");
    rig.error(lane, request.stream(), &refusal);
    assert_eq!(rig.answer(client).body, refusal);
    rig.finish();
}

#[test]
fn a_refused_request_goes_to_another_node_though_that_is_no_replica() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    // One replica; the node that refuses is the idlest of all.
    rig.prepare_select(client, "ring", 1);
    let node_of = |rig: &Rig, lane| rig.lanes.iter().position(|it| *it == lane).unwrap() / 2;
    for turn in 0..6 {
        rig.send(client, &execute(turn, &[1; 16], b"k"));
        let (lane, request) = rig.request();
        rig.error(lane, request.stream(), &error(ErrorCode::OVERLOADED, "busy"));
        let (other, again) = rig.request();
        assert_ne!(node_of(&rig, other), node_of(&rig, lane));
        rig.result(other, again.stream(), &rows(b"row"));
        assert_eq!(rig.answer(client).stream(), turn);
    }
    rig.finish();
}

#[test]
fn a_single_node_is_asked_again() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.prepare_select(client, "tab", 1);
    rig.send(client, &execute(5, &[1; 16], b"k"));
    let request = rig.requests(lane).remove(0);
    rig.error(lane, request.stream(), &error(ErrorCode::OVERLOADED, "busy"));
    let again = rig.requests(lane).remove(0);
    rig.result(lane, again.stream(), &rows(b"row"));
    assert_eq!(rig.answer(client).stream(), 5);
    rig.finish();
}

#[test]
fn a_refused_read_is_tried_twice_more_and_then_answered() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 1);
    rig.send(client, &execute(5, &[1; 16], b"k"));
    let refusal = error(ErrorCode::OVERLOADED, "busy");
    for _ in 0..3 {
        assert!(rig.answers(client).is_empty());
        let (lane, request) = rig.request();
        rig.error(lane, request.stream(), &refusal);
    }
    assert_eq!(rig.answer(client).body, refusal);
    rig.finish();
}
