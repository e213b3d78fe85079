//! Lanes whose node neither takes nor says anything: no client waits for them, and nothing goes there.

use std::sync::Arc;

use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::token::shard::ShardId;
use shardlane::engine::action::{LearnedTablet, PeerMessage};
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::routing::decision::Reason;
use shardlane::topology::id::NodeId;

use crate::support::frames::{execute, query, void};
use crate::support::rig::{Rig, host};

const STALL_US: u64 = 500_000;
/// More than two of these are above the high mark.
const LONG: usize = 600_000;
const PARTS: usize = 10;

fn long(stream: i16) -> Vec<u8> {
    query(stream, &"x".repeat(LONG))
}

/// EXECUTEs of the statement `[9; 16]`, as long together. A key is shorter than 64 KiB.
fn long_execute(stream: i16) -> Vec<u8> {
    execute(stream, &[9; 16], &[b'k'; LONG / PARTS]).repeat(PARTS)
}

/// All rows of `tab.t` are on these.
fn know_tablet(rig: &mut Rig, replicas: &[(u16, u16)]) {
    let tablet = LearnedTablet {
        table: ("tab".into(), "t".into()),
        first: i64::MIN,
        last: i64::MAX,
        replicas: replicas.iter().map(|(node, shard)| (host(*node), *shard)).collect(),
    };
    rig.input(|engine| engine.on_peer_message(PeerMessage::Tablet(Arc::new(tablet))));
}

/// Every lane, a client that prepared a statement, and the lane to (1, 1), where all rows are:
/// full, with a node that took nothing.
fn filled(replicas: &[(u16, u16)]) -> (Rig, ClientKey, LaneKey) {
    // Here it is full lanes that clients wait for, and not the answers that are under way.
    let mut rig = Rig::with_limits(|limits| limits.client_answer_bytes_max = 64 << 20);
    rig.open_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    know_tablet(&mut rig, &[(1, 1)]);
    rig.send(client, &[long_execute(1), long_execute(2)].concat());
    know_tablet(&mut rig, replicas);
    let lane = rig.lane_to(1, ShardId(1));
    assert!(!rig.engine.may_read(client));
    (rig, client, lane)
}

/// Time passes in steps as the shell's timer makes them.
fn let_time_pass(rig: &mut Rig, us: u64) {
    for _ in 0..us / 50_000 {
        rig.pass_time(50_000);
    }
}

#[test]
fn a_client_that_filled_the_lane_of_a_silent_node_is_read_again_after_the_bound() {
    let (mut rig, client, lane) = filled(&[(1, 1)]);
    let_time_pass(&mut rig, STALL_US - 50_000);
    assert!(!rig.engine.may_read(client));
    assert_eq!(rig.engine.held_clients(), [(lane, client)]);
    let_time_pass(&mut rig, STALL_US / 4 + 50_000);
    assert!(rig.engine.may_read(client));
    assert_eq!((rig.clients_to_resume(), rig.engine.held_clients().len()), (vec![client], 0));
    assert_eq!(rig.engine.tally().lanes_stalled, 1);
    let gauges = rig.engine.gauges();
    assert_eq!((gauges.lanes[&NodeId(1)].open, gauges.lanes[&NodeId(1)].stalled), (1, 1));
    rig.finish();
}

#[test]
fn the_engine_asks_to_be_woken_while_a_lane_is_full_and_not_otherwise() {
    let (mut rig, _, lane) = filled(&[(1, 1)]);
    let due = |rig: &Rig| rig.engine.next_deadline_us() - rig.now_us;
    rig.pass_time(1);
    assert!(due(&rig) <= STALL_US / 4);
    let _taken = rig.requests(lane);
    rig.pass_time(250_000);
    assert_eq!(due(&rig), 250_000);
    rig.finish();
}

#[test]
fn another_replica_takes_what_a_stalled_lane_does_not() {
    let (mut rig, client, lane) = filled(&[(1, 1), (2, 0)]);
    let_time_pass(&mut rig, 2 * STALL_US);
    let before = rig.decisions(Reason::TabletReplica);
    for stream in 3..9 {
        rig.send(client, &execute(stream, &[9; 16], b"k"));
    }
    assert_eq!(rig.requests(rig.lane_to(2, ShardId(0))).len(), 6);
    assert_eq!(rig.decisions(Reason::TabletReplica), before + 6);
    assert_eq!(rig.requests(lane).len(), 2 * PARTS);
    rig.finish();
}

#[test]
fn a_read_without_another_replica_goes_to_another_node_and_not_to_the_silent_one() {
    let (mut rig, client, _) = filled(&[(1, 1)]);
    let_time_pass(&mut rig, 2 * STALL_US);
    for stream in 3..9 {
        rig.send(client, &execute(stream, &[9; 16], b"k"));
    }
    rig.send(client, &query(9, "SELECT by text"));
    assert!(rig.requests(rig.lane_to(1, ShardId(0))).is_empty());
    assert_eq!((rig.decisions(Reason::ReplicaStalled), rig.decisions(Reason::ShardDown)), (6, 0));
    let elsewhere = [(0, 0), (0, 1), (2, 0), (2, 1)];
    let served = elsewhere.map(|(node, shard)| rig.lane_to(node, ShardId(shard)));
    assert_eq!(served.into_iter().map(|lane| rig.requests(lane).len()).sum::<usize>(), 7);
    rig.finish();
}

#[test]
fn a_request_that_nothing_else_can_take_is_refused_at_once() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[long(1), long(2)].concat());
    let_time_pass(&mut rig, 2 * STALL_US);
    rig.send(client, &query(3, "SELECT"));
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (3, ErrorCode::OVERLOADED));
    assert!(answer.error().text.contains("stalled"), "{}", answer.error().text);
    assert!(rig.engine.may_read(client));
    assert_eq!(rig.requests(lane).len(), 2, "and it was not sent");
    rig.finish();
}

#[test]
fn a_stalled_lane_is_whole_again_once_it_has_drained() {
    let (mut rig, client, lane) = filled(&[(1, 1)]);
    let_time_pass(&mut rig, 2 * STALL_US);
    rig.input(|engine| engine.on_lane_sent(lane, LONG));
    rig.send(client, &execute(3, &[9; 16], b"k"));
    assert_eq!(rig.decisions(Reason::ReplicaStalled), 1, "it is above the low mark");
    rig.input(|engine| engine.on_lane_sent(lane, LONG / 2 + 100_000));
    rig.send(client, &execute(4, &[9; 16], b"k"));
    assert_eq!(rig.decisions(Reason::ReplicaStalled), 1);
    assert_eq!(rig.engine.gauges().lanes[&NodeId(1)].stalled, 0);

    // It may stall again, and nothing of the first time is left.
    rig.send(client, &[long_execute(5), long_execute(6)].concat());
    assert!(!rig.engine.may_read(client));
    let_time_pass(&mut rig, 2 * STALL_US);
    assert!(rig.engine.may_read(client));
    assert_eq!(rig.engine.tally().lanes_stalled, 2);
    rig.finish();
}

#[test]
fn a_lane_that_drains_slowly_holds_its_writers_for_as_long_as_it_takes() {
    let (mut rig, client, lane) = filled(&[(1, 1), (2, 0)]);
    for _ in 0..50 {
        let_time_pass(&mut rig, 350_000);
        rig.input(|engine| engine.on_lane_sent(lane, 1000));
    }
    assert!(!rig.engine.may_read(client));
    assert_eq!(rig.engine.tally().lanes_stalled, 0);
    rig.finish();
}

#[test]
fn a_node_that_answers_is_not_silent_though_its_socket_takes_nothing() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for stream in 0..20 {
        rig.send(client, &query(stream, "SELECT"));
    }
    let asked = rig.requests(lane);
    rig.send(client, &[long(30), long(31)].concat());
    for request in asked {
        let_time_pass(&mut rig, 400_000);
        rig.result(lane, request.stream(), &void());
        assert!(!rig.engine.may_read(client));
    }
    assert_eq!(rig.engine.tally().lanes_stalled, 0);
    let_time_pass(&mut rig, 2 * STALL_US);
    assert!(rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn the_next_lanes_of_a_silent_node_pause_no_client() {
    let (mut rig, client, _) = filled(&[(1, 1)]);
    let_time_pass(&mut rig, 2 * STALL_US);
    know_tablet(&mut rig, &[(1, 0)]);
    rig.send(client, &[long_execute(3), long_execute(4)].concat());
    assert!(rig.engine.may_read(client));
    assert_eq!(rig.engine.tally().lanes_stalled, 2);
    // Another node's lane that fills has its own time.
    know_tablet(&mut rig, &[(2, 0)]);
    rig.send(client, &[long_execute(5), long_execute(6)].concat());
    assert!(!rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn a_lane_whose_node_has_just_answered_has_its_own_time_beside_a_stalled_one() {
    let (mut rig, client, _) = filled(&[(1, 1)]);
    let_time_pass(&mut rig, 2 * STALL_US);
    know_tablet(&mut rig, &[(1, 0)]);
    let beside = rig.lane_to(1, ShardId(0));
    rig.send(client, &execute(3, &[9; 16], b"k"));
    let asked = rig.requests(beside).remove(0);
    rig.result(beside, asked.stream(), &void());
    rig.send(client, &[long_execute(4), long_execute(5)].concat());
    assert!(!rig.engine.may_read(client), "one shard may hang, and the others not");
    rig.finish();
}

#[test]
fn a_stalled_lane_that_is_lost_leaves_nothing_behind() {
    let (mut rig, client, lane) = filled(&[(1, 1)]);
    let_time_pass(&mut rig, 2 * STALL_US);
    rig.lose(lane);
    // Reads that had not left are sent elsewhere, which is no stall.
    assert_eq!(rig.all_requests().len(), 2 * PARTS);
    rig.send(client, &execute(3, &[9; 16], b"k"));
    assert_eq!(rig.request().0, rig.lanes[2], "the other shard of that node");
    let decided = (rig.decisions(Reason::ReplicaStalled), rig.decisions(Reason::ShardDown));
    assert_eq!(decided, (0, 1 + 2 * PARTS as u64));
    rig.finish();
}

#[test]
fn a_lane_that_drains_slowly_is_not_taken_for_a_mute_one() {
    let mut rig = Rig::with_limits(|limits| limits.heartbeat_us = 30_000_000);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[long(1), long(2)].concat());
    for _ in 0..60 {
        let_time_pass(&mut rig, 350_000);
        rig.input(|engine| engine.on_lane_sent(lane, 10_000));
    }
    assert!(rig.lanes_to_close().is_empty(), "the question waits behind 600,000 bytes");
    let_time_pass(&mut rig, 1_000_000);
    assert_eq!(rig.lanes_to_close(), [lane], "what stops to drain is mute");
    rig.finish();
}

#[test]
fn a_stalled_lane_is_asked_for_a_sign_of_life_and_replaced_when_it_gives_none() {
    let mut rig = Rig::with_limits(|limits| limits.heartbeat_us = 30_000_000);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[long(1), long(2)].concat());
    let_time_pass(&mut rig, 3_500_000);
    let waiting = rig.engine.lane_output(lane).unwrap().to_vec();
    let last = crate::support::frames::cut(&waiting).pop().unwrap();
    assert_eq!(last.opcode(), Opcode::Options, "behind all that waits");
    let_time_pass(&mut rig, 10_500_000);
    assert_eq!(rig.lanes_to_close(), [lane]);
    rig.finish();
}
