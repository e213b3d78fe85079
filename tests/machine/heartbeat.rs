//! Lanes that fall silent are asked, and replaced when they do not answer.

use cql::opcode::Opcode;
use shardlane::engine::limits::Limits;

use crate::support::frames::{query, void};
use crate::support::rig::Rig;

const SECOND: u64 = 1_000_000;

fn heartbeat(limits: &mut Limits) {
    limits.heartbeat_us = 30 * SECOND;
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
    rig.respond(lane, (0, asked.stream()), Opcode::Supported, &[0, 0]);
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
    assert!(rig.lanes_to_close().is_empty(), "it is told once");
    rig.finish();
}

#[test]
fn a_half_open_lane_is_found_before_its_request_times_out() {
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
    assert_eq!(repeated.text(), "SELECT", "a read is tried elsewhere, 2 s before its deadline");
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
fn without_a_heartbeat_nobody_is_asked() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    rig.pass_time(600 * SECOND);
    assert!(rig.requests(lane).is_empty() && rig.lanes_to_close().is_empty());
    rig.finish();
}
