//! Every queue has a bound: who fills it waits, who never drains it is let go.

use std::net::SocketAddr;
use std::sync::Arc;

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::response::error::Extras;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::routing::catalog::Catalog;
use shardlane::routing::statement::Statement;

use crate::support::frames::{prepare, query, query_at, rows, startup, void};
use crate::support::rig::{REQUEST_US_MAX, Rig};

#[test]
fn a_request_without_an_answer_gets_one_and_the_late_one_is_dropped() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(
        client,
        &[query(1, "SELECT"), query_at(2, "INSERT", Consistency::Quorum), prepare(3, "x")].concat(),
    );
    let asked = rig.requests(lane);
    rig.pass_time(REQUEST_US_MAX - 1);
    assert!(rig.answers(client).is_empty());
    rig.pass_time(300_000);
    let answers = rig.answers(client);
    let received: Vec<_> = answers.iter().map(|answer| (answer.stream(), answer.code())).collect();
    let expected =
        [(1, ErrorCode::READ_TIMEOUT), (2, ErrorCode::WRITE_TIMEOUT), (3, ErrorCode::OVERLOADED)];
    assert_eq!(received, expected);
    let extras = Extras::WriteTimeout {
        consistency: Consistency::Quorum,
        received: 0,
        block_for: 1,
        write_type: "SIMPLE",
    };
    assert_eq!(answers[1].error().extras, extras);
    let text = &answers[1].error().text;
    assert!(text.contains("within 15000 ms, which is timeouts.request_ms"), "{text}");
    assert_eq!(rig.engine.gauges().orphans, 3);

    // The same stream is asked again; what comes late for the first is not taken for its answer.
    rig.send(client, &query(1, "SELECT again"));
    let again = rig.requests(lane).remove(0);
    for request in asked {
        rig.result(lane, request.stream(), &rows(b"late"));
    }
    assert!(rig.answers(client).is_empty());
    rig.result(lane, again.stream(), &rows(b"again"));
    assert_eq!(rig.answer(client).mark(), b"again");
    assert_eq!((rig.engine.gauges().in_flight, rig.engine.tally().late_answers), (0, 3));
    rig.finish();
}

#[test]
fn a_lane_that_owes_too_many_answers_is_replaced() {
    let mut rig = Rig::with_limits(|limits| limits.lane_orphans_max = 3);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for stream in 0..4 {
        rig.send(client, &query(stream, "INSERT"));
    }
    let _owed = rig.requests(lane);
    rig.pass_time(REQUEST_US_MAX);
    assert_eq!(rig.lanes_to_close(), [lane]);
    assert_eq!(rig.answers(client).len(), 4);
    rig.send(client, &query(9, "INSERT"));
    assert!(rig.requests(lane).is_empty(), "nothing new is sent on it");
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);
    rig.finish();
}

#[test]
fn requests_beyond_the_stream_ids_of_all_lanes_are_refused() {
    let mut rig = Rig::with_limits(|limits| limits.lane_streams_max = 3);
    let lanes = [rig.lane(0, 0), rig.lane(1, 0)];
    let client = rig.client();
    for stream in 0..8 {
        rig.send(client, &query(stream, "SELECT"));
    }
    let asked = rig.all_requests();
    assert_eq!(asked.len(), 6);
    let answers = rig.answers(client);
    let refused: Vec<_> = answers.iter().map(|a| (a.stream(), a.code())).collect();
    assert_eq!(refused, [(6, ErrorCode::OVERLOADED), (7, ErrorCode::OVERLOADED)]);
    assert!(answers[0].error().text.contains("full (3 requests, see limits.lane_streams_max)"));

    let (lane, request) = &asked[0];
    rig.result(*lane, request.stream(), &void());
    rig.send(client, &query(9, "SELECT"));
    assert_eq!(rig.requests(*lane)[0].stream(), request.stream(), "the id is free again");
    assert!(lanes.contains(lane));
    rig.finish();
}

#[test]
fn preparing_ahead_of_need_leaves_room_for_clients() {
    let mut rig = Rig::with_limits(|limits| limits.lane_streams_max = 4);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for id in 1..=6 {
        rig.prepare_select(client, "tab", id);
    }
    rig.lose(lane);
    let lane = rig.lane(0, 0);
    assert_eq!(rig.requests(lane).len(), 2, "half of its streams");
    rig.send(client, &query(1, "SELECT"));
    assert_eq!(rig.requests(lane)[0].opcode(), Opcode::Query);
    rig.finish();
}

#[test]
fn a_client_with_too_much_in_flight_is_read_again_once_it_has_less() {
    let mut rig = Rig::with_limits(|limits| limits.client_in_flight_max = 3);
    let lane = rig.lane(0, 0);
    let (busy, other) = (rig.client(), rig.client());
    rig.send(busy, &[query(1, "SELECT"), query(2, "SELECT")].concat());
    assert!(rig.engine.may_read(busy));
    rig.send(busy, &query(3, "SELECT"));
    assert!(!rig.engine.may_read(busy) && rig.engine.may_read(other));
    let asked = rig.requests(lane);
    rig.result(lane, asked[1].stream(), &void());
    assert!(rig.engine.may_read(busy));
    assert_eq!(rig.clients_to_resume(), [busy]);
    assert_eq!(rig.engine.client_in_flight(busy), Some(2));
    rig.finish();
}

#[test]
fn a_client_whose_answers_are_long_has_few_under_way_and_all_are_served_in_order() {
    const LEN: usize = 64 << 10;
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let (bulk, other) = (rig.client(), rig.client());
    let all: Vec<u8> = (0..1024).flat_map(|stream| query(stream, "SELECT")).collect();
    let first = rig.engine.limits().client_answer_bytes_max as usize / (64 << 10) + 1;
    rig.send(bulk, &all);
    assert!(!rig.engine.may_read(bulk) && rig.engine.may_read(other));
    let mut asked = Vec::new();
    let mut under_way = rig.requests(lane);
    assert_eq!(under_way.len(), first, "before its answers are known");
    let mut most_later = 0;
    while !under_way.is_empty() {
        let request = under_way.remove(0);
        rig.result(lane, request.stream(), &rows(&[7; LEN]));
        asked.extend(rig.answers(bulk).iter().map(|answer| answer.stream()));
        under_way.extend(rig.requests(lane));
        if asked.len() > 2 * first {
            most_later = most_later.max(under_way.len());
        }
    }
    assert!((8..=20).contains(&most_later), "{most_later} of 64 KiB are under way");
    assert_eq!(asked, (0..1024).collect::<Vec<_>>());
    assert!(rig.engine.may_read(bulk));

    // Short answers make it as quick as any other within some tens of requests.
    for _ in 0..64 {
        rig.send(bulk, &query(1, "SELECT"));
        let request = rig.requests(lane).remove(0);
        rig.result(lane, request.stream(), &void());
        rig.answer(bulk);
    }
    rig.send(bulk, &all[..all.len() - 1]);
    assert!(rig.requests(lane).len() > 1000);
    rig.finish();
}

#[test]
fn a_client_has_few_requests_under_way_as_soon_as_one_answer_is_long() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for body in [&[7; 10]; 64].map(|cell| rows(cell)).into_iter().chain([rows(&[7; 1 << 20])]) {
        rig.send(client, &query(1, "SELECT"));
        let request = rig.requests(lane).remove(0);
        rig.result(lane, request.stream(), &body);
        rig.answer(client);
    }
    let all: Vec<u8> = (0..100).flat_map(|stream| query(stream, "SELECT")).collect();
    rig.send(client, &all);
    assert_eq!(rig.requests(lane).len(), 3, "half of its length is the mean");
}

/// One answer of 100,000 bytes.
fn long_answer(rig: &mut Rig, client: ClientKey, lane: LaneKey) {
    rig.send(client, &query(1, "SELECT"));
    let request = rig.requests(lane).remove(0);
    rig.result(lane, request.stream(), &rows(&[7; 100_000 - 13]));
}

#[test]
fn a_client_that_reads_slowly_is_not_read_until_it_caught_up() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for _ in 0..11 {
        assert!(rig.engine.may_read(client));
        long_answer(&mut rig, client, lane);
    }
    assert!(!rig.engine.may_read(client));
    rig.input(|engine| engine.on_client_sent(client, 800_000));
    assert!(!rig.engine.may_read(client), "300,000 bytes wait, which is above the low mark");
    rig.input(|engine| engine.on_client_sent(client, 100_000));
    assert!(rig.engine.may_read(client));
    assert_eq!(rig.clients_to_resume(), [client]);
    rig.finish();
}

#[test]
fn between_the_marks_a_client_that_waits_goes_on_waiting() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for _ in 0..11 {
        long_answer(&mut rig, client, lane);
    }
    rig.input(|engine| engine.on_client_sent(client, 500_000));
    // What had been read before is still given to the engine.
    rig.send(client, &query(2, "SELECT"));
    assert!(!rig.engine.may_read(client));
    rig.input(|engine| engine.on_client_sent(client, 500_000));
    assert_eq!((rig.engine.may_read(client), rig.clients_to_resume()), (true, vec![client]));
    rig.finish();
}

#[test]
fn a_client_that_never_reads_is_cut_off_and_gets_no_part_of_another_answer() {
    let mut rig = Rig::with_limits(|limits| limits.client_backlog_bytes_max = 250_000);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[1, 2, 3, 4, 5].map(|stream| query(stream, "SELECT")).concat());
    let asked = rig.requests(lane);
    for request in &asked[..2] {
        rig.result(lane, request.stream(), &rows(&[7; 100_000 - 13]));
    }
    rig.input(|engine| engine.on_client_sent(client, 50_000));
    rig.result(lane, asked[2].stream(), &rows(&[7; 200_000]));
    assert!(rig.clients_to_close().is_empty(), "one answer may go beyond the bound");
    for request in &asked[3..] {
        rig.result(lane, request.stream(), &rows(b"another answer"));
        assert_eq!(rig.engine.client_output(client), Some(&[][..]));
    }
    assert_eq!((rig.clients_to_close(), rig.engine.tally().clients_evicted), (vec![client], 1));
    assert!(!rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn an_answer_longer_than_a_request_may_be_passes() {
    let mut rig = Rig::with_limits(|limits| limits.frame_body_bytes_max = 1000);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    long_answer(&mut rig, client, lane);
    assert_eq!(rig.answer(client).mark().len(), 100_000 - 13);
    rig.finish();
}

#[test]
fn a_full_lane_pauses_the_client_that_fills_it_until_it_has_drained() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let (filler, other) = (rig.client(), rig.client());
    let long = query(1, &"x".repeat(600_000));
    rig.send(filler, &long);
    assert!(rig.engine.may_read(filler));
    rig.send(filler, &long);
    rig.send(filler, &long);
    assert!(!rig.engine.may_read(filler) && rig.engine.may_read(other));
    rig.input(|engine| engine.on_lane_sent(lane, 1_400_000));
    assert!(!rig.engine.may_read(filler));
    rig.input(|engine| engine.on_lane_sent(lane, 300_000));
    assert!(rig.engine.may_read(filler));
    assert_eq!(rig.clients_to_resume(), [filler]);
    rig.finish();
}

#[test]
fn a_full_lane_that_is_lost_resumes_the_client_that_filled_it() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    let long = query(1, &"x".repeat(600_000));
    rig.send(client, &[long.clone(), long].concat());
    assert!(!rig.engine.may_read(client));
    rig.lose(lane);
    assert!(rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn a_client_that_leaves_while_a_lane_holds_it_up_is_forgotten() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let gone = rig.client();
    let long = query(1, &"x".repeat(600_000));
    rig.send(gone, &[long.clone(), long].concat());
    rig.leave(gone);
    let next = rig.client();
    let _all = rig.requests(lane);
    assert!(rig.engine.may_read(next) && rig.clients_to_resume().is_empty());
    rig.finish();
}

#[test]
fn clients_beyond_the_bound_are_not_let_in() {
    let mut rig = Rig::with_limits(|limits| limits.clients_max = 2);
    let first = rig.client();
    let _second = rig.client();
    let refused = rig.silent_client();
    rig.send(refused, &startup(4, None));
    let answer = rig.answer(refused);
    assert_eq!((answer.stream(), answer.code()), (0, ErrorCode::OVERLOADED));
    assert_eq!(answer.error().text, "shardlane serves 2 clients, which is limits.clients_max");
    assert_eq!((rig.clients_to_close(), rig.engine.tally().clients_refused), (vec![refused], 1));
    rig.leave(refused);
    rig.leave(first);
    let third = rig.client();
    assert_eq!(rig.engine.client_in_flight(third), Some(0));
}

#[test]
fn a_client_without_a_descriptor_is_refused_by_name_and_silent_ones_give_way() {
    let mut rig = Rig::with_limits(|limits| limits.clients_max = 7);
    let silent = rig.silent_client();
    rig.pass_time(1_500_000);
    let address = SocketAddr::from(([127, 0, 0, 1], 9042));
    let refused = rig.input(|engine| engine.on_client_without_descriptor(address, 32)).unwrap();
    assert_eq!(rig.clients_to_close(), [silent]);
    rig.send(refused, &startup(4, None));
    let answer = rig.answer(refused);
    assert_eq!((answer.stream(), answer.code()), (0, ErrorCode::OVERLOADED));
    assert_eq!(
        answer.error().text,
        "shardlane has no file descriptor for another client: 32 of those that the process may have \
         (ulimit -n) are for clients, which is less than limits.clients_max, 7"
    );
    assert_eq!((rig.clients_to_close(), rig.engine.tally().clients_refused), (vec![refused], 1));
}

#[test]
fn requests_too_many_to_keep_are_served_all_the_same() {
    let mut rig = Rig::with_limits(|limits| limits.lane_retained_bytes_max = 100);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for stream in 0..10 {
        rig.send(client, &query(stream, "SELECT a text of some length"));
    }
    for request in rig.requests(lane) {
        assert_eq!(request.opcode(), Opcode::Query);
        rig.result(lane, request.stream(), &void());
    }
    assert_eq!(rig.answers(client).len(), 10);
    // The room is free again: a read is kept, and sent elsewhere.
    rig.send(client, &query(11, "SELECT a text of some length"));
    let _sent = rig.requests(lane);
    let other = rig.lane(1, 0);
    rig.lose(lane);
    assert_eq!(rig.requests(other).len(), 1);
    rig.finish();
}

#[test]
fn a_full_catalog_forgets_a_share_of_what_is_oldest() {
    let statement = |number: u32| {
        Arc::new(Statement {
            id: number.to_be_bytes().into(),
            text: "SELECT".into(),
            ..Statement::default()
        })
    };
    let mut catalog = Catalog::new(1000 * statement(0).weight());
    for number in 0..5000 {
        catalog.record(statement(number), None);
        assert!(catalog.bytes() <= 1000 * statement(0).weight());
        assert!(catalog.find(&0u32.to_be_bytes()).is_some(), "it is used all the time");
    }
    assert!(catalog.len() > 900, "{}", catalog.len());
    assert!(catalog.find(&4999u32.to_be_bytes()).is_some());
}
