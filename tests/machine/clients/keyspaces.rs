//! `USE`: each keyspace has lanes of its own, and what follows a `USE` waits for its answer.

use std::sync::Arc;

use cql::error_code::ErrorCode;
use cql::notation::{put_int, put_string};
use cql::opcode::Opcode;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::upstream::lane::PoolId;

use crate::support::frames::{
    error, execute, node_frame, of_version, prepare, prepared, query, rows, unprepared, void,
};
use crate::support::rig::Rig;

fn set_keyspace(name: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_int(&mut body, 3);
    put_string(&mut body, name);
    body
}

/// The pool that the engine wants opened.
fn opened(rig: &mut Rig) -> (PoolId, Arc<str>) {
    let at = rig.actions.iter().position(|order| matches!(order, Action::OpenPool { .. })).unwrap();
    match rig.actions.remove(at) {
        Some(Action::OpenPool { pool, keyspace }) => (pool, keyspace),
        other => panic!("{other:?}"),
    }
}

/// A client says `USE`, for which a lane on node 0 is opened; returns set and lane.
pub(crate) fn use_keyspace(rig: &mut Rig, client: ClientKey, name: &str) -> (PoolId, LaneKey) {
    rig.send(client, &query(9, &format!("USE {name}")));
    let (pool, keyspace) = opened(rig);
    assert_eq!(&*keyspace, name);
    let lane = rig.lane_of(pool, 0, 0).unwrap();
    answer_use(rig, lane, name);
    assert_eq!(rig.answer(client).body, set_keyspace(name));
    (pool, lane)
}

fn answer_use(rig: &mut Rig, lane: LaneKey, name: &str) {
    let asked = rig.requests(lane);
    let request = asked.iter().find(|request| request.opcode() == Opcode::Query).unwrap();
    assert_eq!(request.text(), format!("USE {name}"));
    rig.result(lane, request.stream(), &set_keyspace(name));
}

#[test]
fn texts_go_to_the_lanes_of_the_keyspace_and_executes_to_the_plain_ones() {
    let mut rig = Rig::with_all_lanes();
    let (client, other) = (rig.client(), rig.client());
    let (_, lane) = use_keyspace(&mut rig, client, "ks");
    rig.send(client, &[query(1, "SELECT 1"), prepare(2, "SELECT 2")].concat());
    assert_eq!(rig.requests(lane).len(), 2);
    rig.send(client, &execute(3, &[1; 16], b"k"));
    assert_ne!(rig.request().0, lane);
    rig.send(other, &query(1, "SELECT 1"));
    assert_ne!(rig.request().0, lane);
    rig.finish();
}

#[test]
fn requests_behind_a_use_wait_for_its_answer_and_then_go_on_in_order() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let sent =
        [query(1, "SELECT plain"), query(2, "USE ks"), query(3, "SELECT a"), query(4, "SELECT b")];
    rig.send(client, &sent.concat());
    assert_eq!(rig.request().1.text(), "SELECT plain");
    assert!(!rig.engine.may_read(client));
    let (pool, _) = opened(&mut rig);
    let lane = rig.lane_of(pool, 0, 0).unwrap();
    answer_use(&mut rig, lane, "ks");
    let texts: Vec<_> = rig.requests(lane).iter().map(|r| r.text().to_owned()).collect();
    assert_eq!(texts, ["SELECT a", "SELECT b"]);
    assert!(rig.engine.may_read(client));
    assert_eq!(rig.clients_to_resume(), [client]);
    rig.finish();
}

#[test]
fn one_use_after_another_in_one_write_each_takes_effect_for_what_follows_it() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let sent =
        [query(1, "USE one"), query(2, "SELECT 1"), query(3, "USE two"), query(4, "SELECT 2")];
    rig.send(client, &sent.concat());
    let (one, _) = opened(&mut rig);
    let first = rig.lane_of(one, 0, 0).unwrap();
    answer_use(&mut rig, first, "one");
    assert_eq!(rig.requests(first)[0].text(), "SELECT 1");
    let (two, _) = opened(&mut rig);
    let second = rig.lane_of(two, 0, 0).unwrap();
    answer_use(&mut rig, second, "two");
    assert_eq!(rig.requests(second)[0].text(), "SELECT 2");
    rig.finish();
}

#[test]
fn a_keyspace_that_does_not_exist_is_refused_in_the_nodes_words() {
    for version in [3, 4] {
        let mut rig = Rig::with_all_lanes();
        let client = rig.client_of(version, None);
        let sent = [query(1, "USE nope"), query(2, "SELECT")].map(|q| of_version(version, q));
        rig.send(client, &sent.concat());
        let (pool, _) = opened(&mut rig);
        let body = error(ErrorCode::INVALID, "Keyspace 'nope' does not exist");
        let put = |out: &mut Vec<u8>| out.extend_from_slice(&body);
        let refusal = node_frame(0, Opcode::Error, put);
        rig.input(|engine| engine.on_pool_failed(pool, Some(&refusal)));
        let answer = rig.answer(client);
        assert_eq!((answer.stream(), answer.header.version), (1, 0x80 | version));
        assert_eq!(answer.code(), ErrorCode::INVALID);
        assert!(
            rig.actions.iter().any(|order| matches!(order, Action::ClosePool(of) if *of == pool))
        );
        // What waited behind it goes on, without a keyspace.
        assert_eq!(rig.request().1.text(), "SELECT");
        assert!(rig.lane_of(pool, 0, 0).is_none(), "a lane that comes too late is not wanted");
        rig.finish();
    }
}

#[test]
fn a_client_in_a_keyspace_that_is_refused_for_a_moment_stays_in_it() {
    let mut rig = Rig::with_all_lanes();
    let (client, other) = (rig.client(), rig.client());
    let (pool, lane) = use_keyspace(&mut rig, client, "ks");
    rig.lose(lane);
    let body = error(ErrorCode::INVALID, "Keyspace 'ks' does not exist");
    let put = |out: &mut Vec<u8>| out.extend_from_slice(&body);
    let refusal = node_frame(0, Opcode::Error, put);
    rig.send(other, &query(1, "USE ks"));
    rig.input(|engine| engine.on_pool_failed(pool, Some(&refusal)));
    assert_eq!(rig.answer(other).code(), ErrorCode::INVALID, "a verdict for one that is not in it");
    assert!(!rig.actions.iter().any(|action| matches!(action, Action::ClosePool(_))));
    // While it is gone: the server's words, and never another keyspace or none.
    rig.send(client, &[query(1, "SELECT"), prepare(2, "SELECT")].concat());
    let answers = rig.answers(client);
    assert_eq!(answers.iter().map(|it| it.code()).collect::<Vec<_>>(), [ErrorCode::INVALID; 2]);
    let lane = rig.lane_of(pool, 1, 0).unwrap();
    rig.send(client, &query(3, "SELECT"));
    assert_eq!(rig.requests(lane)[0].text(), "SELECT");
    rig.finish();
}

#[test]
fn keyspaces_that_do_not_exist_never_use_up_the_numbers() {
    let mut rig = Rig::new();
    let client = rig.client();
    for number in 0..5_000 {
        rig.send(client, &query(1, &format!("USE nope{number}")));
        let (pool, _) = opened(&mut rig);
        assert!(pool.0 < 4096);
        let refusal = node_frame(0, Opcode::Error, |out| put_int(out, 0x2200));
        rig.input(|engine| engine.on_pool_failed(pool, Some(&refusal)));
        let _refused = rig.raw_answers(client);
        rig.actions.clear();
    }
    let (_, lane) = use_keyspace(&mut rig, client, "ks");
    rig.send(client, &query(1, "SELECT"));
    assert_eq!(rig.requests(lane).len(), 1);
    rig.finish();
}

#[test]
fn a_keyspace_that_is_no_longer_used_makes_room() {
    let mut rig = Rig::with_limits(|limits| limits.keyspaces_max = 2);
    rig.open_all_lanes();
    let (first, second) = (rig.client(), rig.client());
    let (one, one_lane) = use_keyspace(&mut rig, first, "one");
    use_keyspace(&mut rig, second, "two");
    let third = rig.client();
    rig.send(third, &query(1, "USE three"));
    let refusal = rig.answer(third);
    assert_eq!(refusal.code(), ErrorCode::OVERLOADED, "both are in use");
    assert!(refusal.error().text.ends_with("2 are in use, which is limits.keyspaces_max"));
    assert!(rig.engine.may_read(third));

    rig.leave(first);
    rig.send(third, &query(2, "USE three"));
    assert!(
        rig.actions.iter().any(|order| matches!(order, Action::ClosePool(pool) if *pool == one))
    );
    let (three, _) = opened(&mut rig);
    rig.lose(one_lane);
    let lane = rig.lane_of(three, 0, 0).unwrap();
    answer_use(&mut rig, lane, "three");
    assert_eq!(rig.answer(third).body, set_keyspace("three"));
    rig.finish();
}

#[test]
fn a_use_whose_lane_is_lost_waits_for_the_next_lane() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query(1, "USE ks"));
    let (pool, _) = opened(&mut rig);
    let first = rig.lane_of(pool, 0, 0).unwrap();
    let _sent = rig.requests(first);
    rig.lose(first);
    assert!(rig.answers(client).is_empty());
    let second = rig.lane_of(pool, 1, 0).unwrap();
    answer_use(&mut rig, second, "ks");
    assert_eq!(rig.answer(client).body, set_keyspace("ks"));
    assert!(rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn a_use_that_was_too_long_to_keep_is_refused_when_its_lane_is_lost() {
    let mut rig = Rig::with_limits(|limits| limits.lane_retained_bytes_max = 0);
    rig.open_all_lanes();
    let client = rig.client();
    rig.send(client, &query(1, "USE ks"));
    let (pool, _) = opened(&mut rig);
    let first = rig.lane_of(pool, 0, 0).unwrap();
    let second = rig.lane_of(pool, 1, 0).unwrap();
    let sent = if rig.requests(first).is_empty() { second } else { first };
    rig.lose(sent);
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);
    assert!(rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn a_use_that_finds_its_lanes_full_is_refused_and_the_client_goes_on() {
    let mut rig = Rig::with_limits(|limits| limits.lane_streams_max = 1);
    rig.open_all_lanes();
    let (busy, client) = (rig.client(), rig.client());
    let (_, lane) = use_keyspace(&mut rig, busy, "ks");
    rig.send(busy, &query(1, "SELECT slow"));
    let slow = rig.requests(lane).remove(0);
    rig.send(client, &[query(1, "USE ks"), query(2, "SELECT plain")].concat());
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (1, ErrorCode::OVERLOADED));
    assert_eq!(rig.request().1.text(), "SELECT plain");
    assert!(rig.engine.may_read(client));
    rig.result(lane, slow.stream(), &void());
    rig.finish();
}

#[test]
fn a_use_that_no_lane_ever_takes_times_out() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.send(client, &query(1, "USE ks"));
    rig.pass_time(16_000_000);
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);
    assert!(rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn a_use_without_an_answer_times_out_and_its_late_answer_changes_nothing() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query(1, "USE ks"));
    let (pool, _) = opened(&mut rig);
    let lane = rig.lane_of(pool, 0, 0).unwrap();
    let request = rig.requests(lane).remove(0);
    rig.pass_time(16_000_000);
    assert_eq!(rig.answer(client).opcode(), Opcode::Error);
    rig.result(lane, request.stream(), &set_keyspace("ks"));
    assert!(rig.answers(client).is_empty() && rig.lanes_to_close().is_empty());
    rig.send(client, &query(2, "SELECT"));
    assert_ne!(rig.request().0, lane);
    rig.finish();
}

#[test]
fn a_client_that_leaves_while_it_switches_is_forgotten() {
    let mut rig = Rig::with_all_lanes();
    let gone = rig.client();
    rig.send(gone, &[query(1, "USE ks"), query(2, "SELECT")].concat());
    let (pool, _) = opened(&mut rig);
    rig.leave(gone);
    let next = rig.client();
    let lane = rig.lane_of(pool, 0, 0).unwrap();
    assert!(rig.requests(lane).is_empty(), "no client is there to switch");
    assert!(rig.answers(next).is_empty() && rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn requests_behind_a_use_are_counted_when_their_client_leaves() {
    let mut rig = Rig::with_all_lanes();
    let gone = rig.client();
    let before = (rig.received(), rig.ended());
    rig.send(gone, &[query(1, "USE ks"), query(2, "SELECT"), execute(3, &[1; 16], b"k")].concat());
    rig.leave(gone);
    rig.finish();
    assert_eq!((rig.received() - before.0, rig.ended() - before.1), (3, 3));
}

#[test]
fn a_read_sent_before_a_use_is_repeated_in_its_own_keyspace() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let (one, first) = use_keyspace(&mut rig, client, "one");
    let beside = rig.lane_of(one, 1, 0).unwrap();
    rig.send(client, &query(1, "SELECT v FROM t"));
    let (slow, _) = rig.request();
    let (_, two) = use_keyspace(&mut rig, client, "two");
    rig.lose(slow);
    assert!(rig.requests(two).is_empty(), "t of another keyspace is another table");
    let other = if slow == first { beside } else { first };
    assert_eq!(rig.requests(other)[0].text(), "SELECT v FROM t");
    rig.finish();
}

#[test]
fn a_statement_prepared_before_a_use_belongs_to_no_keyspace() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &prepare(1, "SELECT v FROM tab.t WHERE k = ?"));
    let (lane, request) = rig.request();
    let (_, bound) = use_keyspace(&mut rig, client, "ks");
    let answer = prepared(&[9; 16], 0, "tab.t", b"c");
    rig.result(lane, request.stream(), &answer);
    for (lane, spread) in rig.all_requests() {
        assert_ne!(lane, bound);
        rig.result(lane, spread.stream(), &answer);
    }
    assert_eq!(rig.answers(client).len(), 1);

    rig.send(client, &execute(2, &[9; 16], b"k"));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &unprepared(&[9; 16]));
    let (again, prepare) = rig.request();
    assert_eq!(prepare.opcode(), Opcode::Prepare);
    assert_ne!(again, bound, "there it would have another id");
    rig.finish();
}

#[test]
fn a_lane_whose_keyspace_was_switched_is_closed() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &execute(1, &[9; 16], b"k"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &set_keyspace("ks"));
    assert_eq!(rig.lanes_to_close(), [lane]);
    assert_eq!(rig.answers(client).len(), 1);
    rig.send(client, &query(1, "SELECT"));
    let (other, request) = rig.request();
    assert_ne!(other, lane);
    rig.result(other, request.stream(), &rows(b""));
    rig.finish();
}

#[test]
fn the_lanes_of_an_unused_keyspace_are_closed_after_a_minute() {
    let mut rig = Rig::with_all_lanes();
    let (one, other) = (rig.client(), rig.client());
    let (pool, _) = use_keyspace(&mut rig, one, "ks");
    let is_closed = |rig: &Rig| {
        rig.actions.iter().any(|order| matches!(order, Action::ClosePool(of) if *of == pool))
    };
    rig.pass_time(120_000_000);
    rig.pass_time(120_000_000);
    assert!(!is_closed(&rig), "a client is in it");

    rig.leave(one);
    rig.pass_time(1_000_000);
    rig.pass_time(59_000_000);
    assert!(!is_closed(&rig), "not idle for long enough");
    rig.pass_time(1_000_000);
    assert!(is_closed(&rig));
    rig.send(other, &query(1, "SELECT 1"));
    assert_eq!(rig.request().1.text(), "SELECT 1");
}
