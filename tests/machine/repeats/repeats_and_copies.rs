//! What is asked twice: within a budget, and a slow read at another replica.

use std::sync::Arc;

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::values::column_type::ColumnType;
use shardlane::engine::action::{LearnedTablet, PeerMessage};
use shardlane::engine::pending::LaneKey;
use shardlane::routing::decision::Reason;

use crate::support::frames::{
    Frame, batch, error, execute, execute_at, query, rows, unprepared, void,
};
use crate::support::rig::{Rig, host};

const ID: [u8; 16] = [9; 16];
const DELAY_US: u64 = 20_000;

#[test]
fn reads_of_a_lost_lane_go_elsewhere_as_far_as_the_budget_goes() {
    let mut rig = Rig::with_limits(|limits| {
        (limits.retry_percent, limits.retry_floor_per_s) = (20, 0);
    });
    let first = rig.lane(0, 0);
    let client = rig.client();
    for stream in 0..99 {
        rig.send(client, &query(stream, "SELECT"));
    }
    assert_eq!(rig.requests(first).len(), 99);
    let second = rig.lane(1, 0);
    rig.lose(first);
    // STARTUP counts as well.
    assert_eq!(rig.requests(second).len(), 20);
    let received = rig.answers(client);
    assert_eq!(received.len(), 79);
    assert!(received.iter().all(|answer| answer.code() == ErrorCode::READ_TIMEOUT));
    assert_eq!(rig.engine.tally().retries_refused, 79);
    rig.finish();
}

#[test]
fn copies_of_slow_reads_take_nothing_from_reads_that_lost_their_lane() {
    let mut rig = Rig::with_limits(|limits| {
        limits.speculative_delay_us = DELAY_US;
        (limits.retry_percent, limits.speculative_percent) = (20, 10);
        limits.retry_floor_per_s = 0;
    });
    send_reads_of_two_replicas(&mut rig);
    let (lane, _) = rig.all_requests().remove(0);
    rig.pass_time(DELAY_US);
    let copies = rig.all_requests().len();
    assert!((9..=10).contains(&copies), "{copies} of 100 requests");
    assert_eq!(rig.engine.tally().copies_refused, 98 - copies as u64);
    rig.lose(lane);
    assert!((19..=20).contains(&rig.all_requests().len()), "as if nothing had been copied");
    rig.finish();
}

#[test]
fn a_request_that_never_left_costs_no_budget() {
    let mut rig = Rig::with_limits(|limits| {
        (limits.retry_percent, limits.retry_floor_per_s) = (0, 0);
    });
    let first = rig.lane(0, 0);
    let client = rig.client();
    for stream in 0..50 {
        rig.send(client, &query(stream, "INSERT"));
    }
    let second = rig.lane(1, 0);
    rig.lose(first);
    assert_eq!(rig.requests(second).len(), 50);
    assert_eq!(rig.engine.tally().retries_refused, 0);
    rig.finish();
}

#[test]
fn a_busy_cluster_is_believed_once_the_budget_is_used_up_but_a_node_that_leaves_is_not_missed() {
    let mut rig = Rig::with_limits(|limits| {
        (limits.retry_percent, limits.retry_floor_per_s) = (0, 0);
    });
    rig.open_all_lanes();
    let client = rig.client();
    let busy = error(ErrorCode::OVERLOADED, "request shed due to coordinator overload");
    rig.send(client, &query(1, "SELECT"));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &busy);
    assert_eq!(rig.answer(client).body, busy);

    rig.send(client, &query(2, "SELECT"));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &error(ErrorCode::OVERLOADED, "Server is shutting down"));
    let (lane, again) = rig.request();
    rig.result(lane, again.stream(), &rows(b"rows"));
    assert_eq!(rig.answer(client).mark(), b"rows");
    rig.finish();
}

#[test]
fn a_refused_batch_goes_to_another_node_though_the_refusing_one_is_idle() {
    let mut rig = Rig::new();
    let idle = rig.lane(0, 0);
    let client = rig.client();
    let busy = rig.lane(1, 0);
    for stream in [1, 2, 3, 4] {
        rig.send(client, &query(stream, "SELECT"));
    }
    for (lane, request) in rig.all_requests() {
        if lane == idle {
            rig.result(lane, request.stream(), &rows(b"rows"));
        }
    }
    let _read = rig.answers(client);

    rig.send(client, &batch(9, 0, &[(&ID, b"key ")]));
    let (lane, request) = rig.request();
    assert_eq!(lane, idle);
    rig.error(lane, request.stream(), &error(ErrorCode::BOOTSTRAPPING, "not yet"));
    let (lane, again) = rig.request();
    assert_eq!(lane, busy);
    rig.result(lane, again.stream(), &void());
    assert_eq!(rig.answer(client).stream(), 9);
    rig.finish();
}

/// A tablet that is all of a table is on nodes 0 and 1.
fn learn_two_replicas(rig: &mut Rig) {
    let tablet = LearnedTablet {
        table: ("tab".into(), "t".into()),
        first: i64::MIN,
        last: i64::MAX,
        replicas: vec![(host(0), 0), (host(1), 1)],
    };
    rig.input(|engine| engine.on_peer_message(PeerMessage::Tablet(Arc::new(tablet))));
}

/// A rig that copies slow reads, with a tablet on nodes 0 and 1.
fn speculative() -> Rig {
    let mut rig = Rig::with_limits(|limits| limits.speculative_delay_us = DELAY_US);
    rig.open_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    learn_two_replicas(&mut rig);
    // The trickle of a while: budget for some copies.
    rig.pass_time(5_000_000);
    rig
}

/// Sends a read and lets it be slow: where both copies are.
fn slow_read(rig: &mut Rig) -> ((LaneKey, Frame), (LaneKey, Frame)) {
    let client = rig.clients[0];
    rig.send(client, &execute(1, &ID, b"key "));
    let first = rig.request();
    rig.pass_time(DELAY_US - 1);
    assert!(rig.all_requests().is_empty(), "not slow yet");
    rig.pass_time(1);
    let second = rig.request();
    assert_eq!(first.1.body, second.1.body);
    assert_ne!(first.0, second.0);
    (first, second)
}

#[test]
fn a_slow_read_is_asked_of_another_replica_and_the_first_answer_wins() {
    for second_wins in [true, false] {
        let mut rig = speculative();
        let client = rig.clients[0];
        let (first, second) = slow_read(&mut rig);
        let (fast, late) = if second_wins { (second, first) } else { (first, second) };
        rig.result(fast.0, fast.1.stream(), &rows(b"fast"));
        assert_eq!(rig.answer(client).mark(), b"fast");
        assert_eq!(rig.engine.client_in_flight(client), Some(0));
        rig.result(late.0, late.1.stream(), &rows(b"late"));
        assert!(rig.answers(client).is_empty());
        assert_eq!(rig.engine.tally().late_answers, 1);
        assert_eq!(rig.decisions(Reason::Speculative), 1);
        assert_eq!(rig.engine.gauges().in_flight, 0);
        rig.finish();
    }
}

#[test]
fn a_slow_read_by_text_is_asked_of_another_replica_if_it_names_one_partition() {
    let mut rig = speculative();
    let client = rig.clients[0];
    rig.know_key("tab", "t", &[("k", ColumnType::Blob)]);
    rig.send(client, &query(1, "SELECT v FROM tab.t WHERE k = 0x6b"));
    let first = rig.request();
    rig.pass_time(DELAY_US);
    let second = rig.request();
    assert_eq!(first.1.body, second.1.body);
    assert_ne!(first.0, second.0);
    rig.result(second.0, second.1.stream(), &rows(b"fast"));
    assert_eq!(rig.answer(client).mark(), b"fast");
    rig.result(first.0, first.1.stream(), &rows(b"late"));
    assert!(rig.answers(client).is_empty());
    assert_eq!((rig.decisions(Reason::TextLiteral), rig.decisions(Reason::Speculative)), (1, 1));

    let others = [
        "SELECT v FROM tab.t",
        "SELECT v FROM tab.t WHERE k IN (0x6b, 0x6c)",
        "SELECT v FROM tab.t WHERE token(k) > 5",
        "SELECT v FROM tab.unknown WHERE k = 0x6b",
        "INSERT INTO tab.t (k) VALUES (0x6b)",
        "UPDATE tab.t SET v = 1 WHERE k = 0x6b IF EXISTS",
    ];
    for text in others {
        rig.send(client, &query(2, text));
        let (lane, request) = rig.request();
        rig.pass_time(10 * DELAY_US);
        assert!(rig.all_requests().is_empty(), "{text}");
        rig.result(lane, request.stream(), &void());
        rig.answer(client);
    }
    rig.finish();
}

#[test]
fn a_copy_that_fails_leaves_it_to_the_other() {
    for (fails_first, body) in [(0, unprepared(&ID)), (1, error(ErrorCode::OVERLOADED, "busy"))] {
        let mut rig = speculative();
        let client = rig.clients[0];
        let (first, second) = slow_read(&mut rig);
        let pair = [first, second];
        let (failed, other) = (&pair[fails_first], &pair[1 - fails_first]);
        rig.error(failed.0, failed.1.stream(), &body);
        assert!(rig.answers(client).is_empty() && rig.all_requests().is_empty());
        // Both failed: the last word is the client's.
        let refusal = error(ErrorCode::READ_TIMEOUT, "too slow");
        rig.error(other.0, other.1.stream(), &refusal);
        assert_eq!(rig.answer(client).body, refusal);
        rig.finish();
    }
}

#[test]
fn a_copy_that_loses_its_lane_leaves_it_to_the_other() {
    let mut rig = speculative();
    let client = rig.clients[0];
    let (first, second) = slow_read(&mut rig);
    rig.lose(first.0);
    assert!(rig.answers(client).is_empty() && rig.all_requests().is_empty());
    rig.result(second.0, second.1.stream(), &rows(b"rows"));
    assert_eq!(rig.answer(client).mark(), b"rows");
    rig.finish();
}

#[test]
fn two_copies_without_an_answer_are_one_timeout() {
    let mut rig = speculative();
    let client = rig.clients[0];
    let _copies = slow_read(&mut rig);
    rig.pass_time(16_000_000);
    assert_eq!(rig.answer(client).code(), ErrorCode::READ_TIMEOUT);
    assert_eq!(rig.engine.tally().timeouts, 1);
    assert_eq!(rig.engine.gauges().orphans, 2);
    rig.finish();
}

#[test]
fn only_reads_of_known_replicas_that_still_wait_are_copied() {
    let mut rig = speculative();
    let client = rig.clients[0];
    rig.prepare_insert(client, "tab", 7);
    rig.send(client, &execute(1, &ID, b"key "));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &void());
    rig.send(
        client,
        &[
            execute(2, &[7; 16], b"a write"),
            query(3, "SELECT by text"),
            execute(4, &[1; 16], b"an id that no node knows"),
            execute_at(5, &ID, b"key ", Consistency::Serial, 0),
        ]
        .concat(),
    );
    assert_eq!(rig.all_requests().len(), 4);
    rig.pass_time(10 * DELAY_US);
    assert!(rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn a_read_is_copied_within_the_budget_alone() {
    let mut rig = Rig::with_limits(|limits| {
        limits.speculative_delay_us = DELAY_US;
        (limits.speculative_percent, limits.retry_floor_per_s) = (10, 0);
    });
    send_reads_of_two_replicas(&mut rig);
    assert_eq!(rig.all_requests().len(), 98);
    rig.pass_time(DELAY_US);
    let copies = rig.all_requests().len();
    assert!((9..=10).contains(&copies), "{copies} of 100 requests");
    rig.finish();
}

#[test]
fn a_client_that_left_gets_no_copy() {
    let mut rig = speculative();
    let client = rig.clients[0];
    rig.send(client, &execute(1, &ID, b"key "));
    let _sent = rig.request();
    rig.leave(client);
    rig.pass_time(DELAY_US);
    assert!(rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn a_read_on_a_stream_id_that_was_just_free_waits_its_own_time() {
    let mut rig = speculative();
    let client = rig.clients[0];
    rig.send(client, &execute(1, &ID, b"key "));
    let (lane, request) = rig.request();
    rig.pass_time(DELAY_US / 2);
    rig.result(lane, request.stream(), &rows(b"rows"));
    let _first = rig.answer(client);
    for _ in 0..2 {
        // By turns one of them goes to the lane of the first.
        rig.send(client, &execute(1, &ID, b"key "));
        let _second = rig.request();
    }
    rig.pass_time(DELAY_US / 2);
    assert!(rig.all_requests().is_empty(), "they are not slow yet");
    rig.pass_time(DELAY_US / 2);
    assert_eq!(rig.all_requests().len(), 2);
    rig.finish();
}

/// A client sends 98 reads of a tablet with two replicas.
fn send_reads_of_two_replicas(rig: &mut Rig) {
    rig.open_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    learn_two_replicas(rig);
    for stream in 0..98 {
        rig.send(client, &execute(stream, &ID, b"key "));
    }
}
