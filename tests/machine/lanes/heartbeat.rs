//! Lanes that fall silent are asked, and replaced when they do not answer.

use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;

use crate::support::frames::{query, void};
use crate::support::rig::Rig;

const SECOND: u64 = 1_000_000;

fn heartbeat(limits: &mut Limits) {
    limits.heartbeat_us = 30 * SECOND;
    limits.request_timeout_us = 0;
}

fn never(limits: &mut Limits) {
    limits.heartbeat_us = 0;
    limits.request_timeout_us = 0;
}

#[test]
fn an_idle_lane_is_asked_after_half_a_minute_and_stays_when_it_answers() {
    let mut rig = Rig::with_limits(heartbeat);
    let lane = rig.lane(0, 0);
    rig.pass_time(29 * SECOND);
    assert!(rig.requests(lane).is_empty());
    rig.pass_time(2 * SECOND);
    let asked = rig.requests(lane).remove(0);
    assert_eq!(asked.opcode(), Opcode::Options);
    rig.respond(lane, 0, asked.stream(), Opcode::Supported, &[0, 0]);
    rig.pass_time(20 * SECOND);
    assert!(rig.requests(lane).is_empty(), "its answer is a sign of life");
    assert!(rig.lanes_to_close().is_empty());
    rig.pass_time(11 * SECOND);
    assert_eq!(rig.requests(lane).len(), 1, "and it is asked again after the next silence");
    assert_eq!(rig.engine.tally().heartbeat_timeouts, 0);
    rig.finish();
}

#[test]
fn a_lane_that_gives_no_sign_of_life_is_replaced() {
    let mut rig = Rig::with_limits(heartbeat);
    let lane = rig.lane(0, 0);
    rig.pass_time(30 * SECOND);
    assert_eq!(rig.requests(lane).len(), 1);
    rig.pass_time(9 * SECOND);
    assert!(rig.lanes_to_close().is_empty());
    rig.pass_time(SECOND);
    assert_eq!(rig.lanes_to_close(), [lane]);
    assert_eq!(rig.engine.tally().heartbeat_timeouts, 1);
    rig.pass_time(SECOND);
    assert!(rig.lanes_to_close().is_empty(), "it is reported once");
    rig.finish();
}

#[test]
fn a_half_open_lane_with_a_request_is_found_within_seconds() {
    let mut rig = Rig::with_limits(heartbeat);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &query(1, "SELECT"));
    assert_eq!(rig.requests(lane).len(), 1);
    rig.pass_time(3 * SECOND);
    assert_eq!(rig.requests(lane).remove(0).opcode(), Opcode::Options);
    rig.pass_time(10 * SECOND);
    assert_eq!(rig.lanes_to_close(), [lane]);
    let other = rig.lane(1, 0);
    rig.lose(lane);
    let repeated = rig.requests(other).remove(0);
    assert_eq!(repeated.text(), "SELECT", "a read is tried elsewhere");
    rig.result(other, repeated.stream(), &void());
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    rig.finish();
}

#[test]
fn traffic_is_sign_of_life_enough() {
    let mut rig = Rig::with_limits(heartbeat);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for _ in 0..50 {
        rig.pass_time(SECOND);
        rig.send(client, &query(1, "SELECT"));
        let request = rig.requests(lane).remove(0);
        assert_eq!(request.opcode(), Opcode::Query);
        rig.result(lane, request.stream(), &void());
        assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    }
    rig.finish();
}

#[test]
fn no_idle_lane_is_asked_without_a_heartbeat() {
    let mut rig = Rig::with_limits(never);
    let lane = rig.lane(0, 0);
    rig.pass_time(600 * SECOND);
    assert!(rig.requests(lane).is_empty() && rig.lanes_to_close().is_empty());
    rig.finish();
}

#[test]
fn a_lane_with_a_request_is_asked_even_without_a_heartbeat() {
    let mut rig = Rig::with_limits(never);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &query(1, "INSERT"));
    let _sent = rig.requests(lane);
    rig.pass_time(3 * SECOND);
    assert_eq!(rig.requests(lane).remove(0).opcode(), Opcode::Options);
    rig.pass_time(10 * SECOND);
    assert_eq!(rig.lanes_to_close(), [lane], "its request would wait for ever");
    rig.lose(lane);
    assert_eq!(rig.answer(client).code(), ErrorCode::WRITE_TIMEOUT);
    rig.finish();
}

/// Answers OPTIONS on a lane for so many seconds, and returns how often it was asked.
fn live(rig: &mut Rig, lane: LaneKey, seconds: u64) -> usize {
    let mut asked = 0;
    for _ in 0..seconds {
        rig.pass_time(SECOND);
        for request in rig.requests(lane) {
            assert_eq!(request.opcode(), Opcode::Options);
            rig.respond(lane, 0, request.stream(), Opcode::Supported, &[0, 0]);
            asked += 1;
        }
    }
    asked
}

#[test]
fn a_request_waits_as_long_as_its_node_gives_signs_of_life() {
    let mut rig = Rig::with_limits(heartbeat);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &query(1, "TRUNCATE t"));
    let request = rig.requests(lane).remove(0);
    let asked = live(&mut rig, lane, 600);
    assert!(asked >= 150, "asked {asked} times");
    assert!(rig.answers(client).is_empty() && rig.lanes_to_close().is_empty());
    rig.result(lane, request.stream(), &void());
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    rig.finish();
}

#[test]
fn a_lane_that_takes_no_more_requests_is_asked_as_well() {
    let mut rig = Rig::with_limits(|limits| {
        heartbeat(limits);
        limits.lane_streams_max = 2;
    });
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[query(1, "TRUNCATE t"), query(2, "TRUNCATE u")].concat());
    let requests = rig.requests(lane);
    assert_eq!(requests.len(), 2);
    assert!(live(&mut rig, lane, 60) >= 15, "its id is none of those for requests");
    assert!(rig.lanes_to_close().is_empty());
    for request in requests {
        rig.result(lane, request.stream(), &void());
    }
    assert_eq!(rig.answers(client).len(), 2);
    rig.finish();
}

#[test]
fn orphaned_streams_are_forgotten_with_their_client() {
    let mut rig = Rig::with_limits(|limits| {
        heartbeat(limits);
        limits.lane_orphans_max = 1;
    });
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[query(1, "INSERT"), query(2, "INSERT")].concat());
    let _sent = rig.requests(lane);
    rig.leave(client);
    live(&mut rig, lane, 14);
    assert_eq!(rig.engine.gauges().orphans, 0);
    live(&mut rig, lane, 1);
    assert_eq!(rig.engine.gauges().orphans, 2);
    assert_eq!(rig.lanes_to_close(), [lane], "it owes too many answers");
    rig.finish();
}
