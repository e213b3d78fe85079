//! The answer to a schema change, and its event, wait until all nodes have the same schema.

use cql::error_code::ErrorCode;
use cql::header::FLAG_WARNING;
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::request::register::{EventKind, write_register};
use shardlane::engine::pending::LaneKey;

use crate::support::frames::{
    Frame, error, is_compressed, query, schema_change, schema_event, schema_version, void,
};
use crate::support::rig::Rig;

fn register(
    rig: &mut Rig,
    version: u8,
    compression: Option<&str>,
) -> shardlane::engine::client::ClientKey {
    let client = rig.client_of(version, compression);
    let mut bytes = Vec::new();
    write_register(&mut bytes, version, 3, &[EventKind::SchemaChange, EventKind::StatusChange]);
    rig.send(client, &bytes);
    assert_eq!(rig.answer(client).opcode(), Opcode::Ready);
    client
}

/// A client changes the schema; returns the questions that the nodes get then.
fn change(rig: &mut Rig) -> Vec<(LaneKey, Frame)> {
    let client = rig.clients[0];
    rig.send(client, &query(5, "CREATE TABLE tab.t"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &schema_change("CREATED", "tab", Some("t")));
    questions(rig)
}

fn questions(rig: &mut Rig) -> Vec<(LaneKey, Frame)> {
    let asked = rig.all_requests();
    for (_, question) in &asked {
        assert_eq!(question.text(), "SELECT schema_version FROM system.local WHERE key='local'");
    }
    asked
}

fn reply(rig: &mut Rig, asked: &[(LaneKey, Frame)], versions: &[u8]) {
    for ((lane, question), version) in asked.iter().zip(versions) {
        rig.result(*lane, question.stream(), &schema_version(*version));
    }
}

#[test]
fn the_answer_waits_until_every_node_says_the_same() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let asked = change(&mut rig);
    assert_eq!(asked.len(), 3, "each node is asked once");
    reply(&mut rig, &asked, &[2, 1, 2]);
    assert!(rig.answers(client).is_empty() && rig.all_requests().is_empty());

    rig.pass_time(19_000);
    assert!(rig.all_requests().is_empty(), "the next round is not due yet");
    rig.pass_time(1_000);
    let asked = questions(&mut rig);
    reply(&mut rig, &asked[..1], &[2]);
    assert!(rig.answers(client).is_empty());
    reply(&mut rig, &asked[1..2], &[2]);
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.opcode()), (5, Opcode::Result));
    assert_eq!(answer.body, schema_change("CREATED", "tab", Some("t")));
    reply(&mut rig, &asked[2..], &[1]);
    rig.pass_time(1_000_000);
    assert!(rig.all_requests().is_empty(), "no node is asked any more");
    rig.finish();
}

#[test]
fn nodes_that_never_agree_are_waited_for_so_long_and_no_longer() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let mut asked = change(&mut rig);
    let mut waited_us = 0;
    while rig.engine.tally().agreement_timeouts == 0 {
        reply(&mut rig, &asked, &[1, 2, 3]);
        rig.pass_time(20_000);
        waited_us += 20_000;
        asked = rig.all_requests();
        assert!(waited_us <= 60_100_000);
    }
    assert!(waited_us >= 60_000_000, "{waited_us}");
    let answer = rig.answer(client);
    assert_eq!((answer.opcode(), answer.header.flags), (Opcode::Result, FLAG_WARNING));
    let mut body = Reader::new(&answer.body);
    assert_eq!(body.short(), Ok(1));
    let warning = body.string().unwrap();
    assert!(warning.contains("60000 ms, which is timeouts.schema_agreement_ms"), "{warning}");
    assert_eq!(body.rest(), schema_change("CREATED", "tab", Some("t")));
    reply(&mut rig, &asked, &[1, 2, 3]);
    rig.finish();
}

#[test]
fn an_event_that_the_nodes_never_agree_on_is_no_answer_that_came_too_late() {
    let mut rig = Rig::with_all_lanes();
    rig.input(|engine| engine.on_event(&schema_event("CREATED", "tab", Some("t"))));
    for _ in 0..3_100 {
        let asked = rig.all_requests();
        reply(&mut rig, &asked, &[1, 2, 3]);
        rig.pass_time(20_000);
    }
    assert!(rig.all_requests().is_empty(), "it was given up");
    assert_eq!(rig.engine.tally().agreement_timeouts, 0);
    rig.finish();
}

#[test]
fn a_slow_nodes_answer_counts_however_late_it_is() {
    let mut rig = Rig::with_limits(|limits| limits.request_timeout_us = 2_000_000);
    rig.open_all_lanes();
    let client = rig.client();
    let asked = change(&mut rig);
    reply(&mut rig, &asked[..2], &[2, 2]);
    let mut slow = asked[2..].to_vec();
    for _ in 0..25 {
        rig.pass_time(100_000);
        slow.extend(questions(&mut rig));
    }
    assert_eq!(slow.len(), 3, "the others have said it, and it is asked each second");
    reply(&mut rig, &slow[..1], &[1]);
    assert!(rig.answers(client).is_empty(), "it had not heard of the change yet");
    reply(&mut rig, &slow[1..2], &[2]);
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    rig.finish();
}

#[test]
fn a_definition_that_is_there_already_waits_for_the_nodes_that_have_not_heard_of_it() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    for (text, waits) in [
        ("CREATE TABLE IF NOT EXISTS tab.t (k int PRIMARY KEY)", true),
        ("CREATE ROLE IF NOT EXISTS r", false),
        ("INSERT INTO tab.t (k) VALUES (1)", false),
    ] {
        rig.send(client, &query(5, text));
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), &void());
        let asked = questions(&mut rig);
        assert_eq!(
            (rig.answers(client).is_empty(), asked.len()),
            (waits, if waits { 3 } else { 0 })
        );
        if waits {
            reply(&mut rig, &asked, &[1, 2, 2]);
            assert!(rig.answers(client).is_empty());
            rig.pass_time(20_000);
            let asked = questions(&mut rig);
            reply(&mut rig, &asked, &[2, 2, 2]);
            assert_eq!(rig.answer(client).body, void());
        }
    }
    rig.finish();
}

#[test]
fn a_silent_node_is_asked_again_since_it_may_be_the_one_that_lags() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let asked = change(&mut rig);
    reply(&mut rig, &asked[..2], &[2, 2]);
    rig.pass_time(999_000);
    assert!(rig.answers(client).is_empty() && rig.all_requests().is_empty());
    rig.pass_time(1_000);
    let again = questions(&mut rig);
    assert_eq!(again.len(), 1, "what the others said still counts");
    reply(&mut rig, &again, &[2]);
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    rig.finish();
}

#[test]
fn nodes_that_do_not_say_their_schema_version_are_asked_again() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    for (lane, question) in change(&mut rig) {
        rig.error(lane, question.stream(), &error(ErrorCode::OVERLOADED, "busy"));
    }
    assert!(rig.answers(client).is_empty());
    rig.pass_time(20_000);
    let asked = questions(&mut rig);
    reply(&mut rig, &asked, &[2, 2, 2]);
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    rig.finish();
}

#[test]
fn a_node_lost_in_between_is_not_waited_for() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let asked = change(&mut rig);
    reply(&mut rig, &asked[..2], &[2, 2]);
    rig.lose(asked[2].0);
    assert!(rig.answers(client).is_empty(), "another lane leads to it");
    rig.pass_time(20_000);
    let again = questions(&mut rig);
    assert_eq!(again.len(), 1);
    rig.lose(again[0].0);
    rig.pass_time(20_000);
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    rig.finish();
}

#[test]
fn an_answer_to_a_question_from_before_the_change_does_not_count() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let old = change(&mut rig);
    rig.send(client, &query(6, "CREATE TABLE tab.u"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &schema_change("CREATED", "tab", Some("u")));
    reply(&mut rig, &old[..2], &[3, 3]);
    let asked = questions(&mut rig);
    reply(&mut rig, &asked, &[3, 3]);
    reply(&mut rig, &old[2..], &[3]);
    assert_eq!(rig.answer(client).stream(), 5);
    let asked = questions(&mut rig);
    reply(&mut rig, &asked, &[3]);
    assert_eq!(rig.answer(client).stream(), 6);
    rig.finish();
}

#[test]
fn a_second_change_is_not_answered_by_a_round_that_began_before_it() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let first = change(&mut rig);
    rig.send(client, &query(6, "CREATE TABLE tab.u"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &schema_change("CREATED", "tab", Some("u")));
    assert!(rig.all_requests().is_empty());
    reply(&mut rig, &first, &[2, 2, 2]);
    assert_eq!(rig.answer(client).stream(), 5);
    let second = questions(&mut rig);
    reply(&mut rig, &second, &[3, 3, 3]);
    assert_eq!(rig.answer(client).stream(), 6);
    rig.finish();
}

#[test]
fn a_client_that_left_is_not_answered_and_the_next_is() {
    let mut rig = Rig::with_all_lanes();
    let gone = rig.client();
    let asked = change(&mut rig);
    rig.leave(gone);
    let next = rig.client();
    reply(&mut rig, &asked, &[2, 2, 2]);
    assert!(rig.answers(next).is_empty());
    rig.finish();
}

#[test]
fn a_refused_change_is_answered_at_once() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query(5, "CREATE TABLE tab.t"));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &error(ErrorCode::SYNTAX_ERROR, "no"));
    assert_eq!(rig.answer(client).code(), ErrorCode::SYNTAX_ERROR);
    assert!(rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn an_event_reaches_registered_clients_once_after_the_nodes_agree() {
    let mut rig = Rig::with_all_lanes();
    let plain = rig.client();
    let v4 = register(&mut rig, 4, None);
    let v3 = register(&mut rig, 3, None);
    let lz4 = rig.client_of(4, Some("lz4"));
    let mut bytes = Vec::new();
    write_register(&mut bytes, 4, 3, &[EventKind::SchemaChange]);
    rig.send(lz4, &bytes);
    assert_eq!(rig.answers(lz4).len(), 1);

    let event = schema_event("CREATED", "tab", Some("t"));
    rig.input(|engine| engine.on_event(&event));
    let asked = questions(&mut rig);
    reply(&mut rig, &asked[..2], &[2, 2]);
    assert!(rig.answers(v4).is_empty());
    reply(&mut rig, &asked[2..], &[2]);
    for (client, version) in [(v4, 0x84), (v3, 0x83), (lz4, 0x84)] {
        let received = rig.answer(client);
        assert_eq!((received.opcode(), received.stream()), (Opcode::Event, -1));
        assert_eq!((received.header.version, &received.body), (version, &event));
        assert!(!is_compressed(&received), "events are never compressed");
    }
    assert!(rig.answers(plain).is_empty());
    rig.finish();
}

#[test]
fn events_of_nodes_reach_no_client() {
    let mut rig = Rig::with_all_lanes();
    let client = register(&mut rig, 4, None);
    let mut body = Vec::new();
    for text in ["STATUS_CHANGE", "DOWN"] {
        cql::notation::put_string(&mut body, text);
    }
    body.extend_from_slice(&[4, 127, 0, 0, 1, 0, 0, 0x23, 0x52]);
    rig.input(|engine| engine.on_event(&body));
    assert!(rig.answers(client).is_empty() && rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn an_event_is_passed_on_at_once_where_there_is_no_lane() {
    let mut rig = Rig::new();
    let client = register(&mut rig, 4, None);
    let event = schema_event("DROPPED", "tab", None);
    rig.input(|engine| engine.on_event(&event));
    assert_eq!(rig.answer(client).body, event);
    rig.finish();
}
