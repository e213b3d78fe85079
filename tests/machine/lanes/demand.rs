//! Lanes on demand: opened when a request asks for a shard, closed when none does for long.

use cql::values::column_type::ColumnType;
use shardlane::engine::action::Action;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;
use shardlane::routing::decision::Reason;

use crate::clients::keyspaces::use_keyspace;
use crate::support::frames::{batch, execute, query, void};
use crate::support::rig::Rig;

const SECOND: u64 = 1_000_000;

fn minute(limits: &mut Limits) {
    limits.lane_unused_us = 60 * SECOND;
}

/// Places whose lanes the engine asked for, and lanes that it closed for want of requests.
fn demands(rig: &mut Rig) -> (Vec<(u16, u16)>, Vec<LaneKey>) {
    let (mut asked, mut closed) = (Vec::new(), Vec::new());
    rig.actions.retain(|order| match order {
        Action::OpenLane { node, shard, .. } => {
            asked.push((node.0, shard.0));
            false
        }
        Action::CloseUnused(lane) => {
            closed.push(*lane);
            false
        }
        _ => true,
    });
    (asked, closed)
}

#[test]
fn the_second_request_for_a_shard_without_a_lane_opens_it_and_waits_for_nothing() {
    let mut rig = Rig::with_limits(minute);
    let (_elsewhere, beside) = (rig.lane(0, 0), rig.lane(1, 0));
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 1)]);
    for stream in 0..3 {
        rig.send(client, &execute(stream, &[9; 16], b"k"));
    }
    assert_eq!(rig.requests(beside).len(), 3);
    assert_eq!(rig.decisions(Reason::ShardNotOpen), 3);
    assert_eq!(demands(&mut rig).0, [(1, 1)]);

    let opened = rig.lane(1, 1);
    rig.send(client, &execute(3, &[9; 16], b"k"));
    assert_eq!(rig.requests(opened).len(), 1);
    assert!(demands(&mut rig).0.is_empty());
    rig.finish();
}

#[test]
fn each_replica_of_what_is_used_gets_a_lane_in_the_end() {
    let mut rig = Rig::with_limits(minute);
    for node in 0..3 {
        rig.lane(node, 0);
    }
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(0, 1), (1, 1), (2, 1)]);
    let mut asked = Vec::new();
    for stream in 0..12 {
        let children = [(&[9; 16][..], &b"k"[..])];
        match stream % 2 {
            0 => rig.send(client, &execute(stream, &[9; 16], b"k")),
            _ => rig.send(client, &batch(stream, 0, &children)),
        }
        for (node, shard) in demands(&mut rig).0 {
            rig.lane(node, shard);
            asked.push((node, shard));
        }
    }
    asked.sort_unstable();
    assert_eq!(asked, [(0, 1), (1, 1), (2, 1)]);
    rig.finish();
}

#[test]
fn a_lane_that_never_came_is_asked_for_again_after_a_while() {
    let mut rig = Rig::with_limits(minute);
    let _beside = rig.lane(1, 0);
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 1)]);
    let mut asked = 0;
    for stream in 0..8 {
        rig.send(client, &execute(stream, &[9; 16], b"k"));
        asked += demands(&mut rig).0.len();
        rig.now_us += 2 * SECOND;
    }
    assert_eq!(asked, 3, "at 2, 8 and 14 seconds");
    rig.finish();
}

#[test]
fn a_lane_without_requests_is_closed_but_never_the_last_to_a_node() {
    let mut rig = Rig::with_limits(minute);
    let (used, unused) = (rig.lane(1, 0), rig.lane(1, 1));
    let alone = rig.lane(2, 0);
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 0)]);
    for second in 0..60 {
        rig.send(client, &execute(second, &[9; 16], b"k"));
        let asked = rig.requests(used).remove(0);
        rig.result(used, asked.stream(), &void());
        rig.pass_time(SECOND);
    }
    let _answers = rig.answers(client);
    assert_eq!(demands(&mut rig).1, [unused]);
    rig.pass_time(SECOND);
    assert!(demands(&mut rig).1.is_empty(), "it is reported once");
    rig.lose(unused);
    rig.pass_time(300 * SECOND);
    assert!(demands(&mut rig).1.is_empty(), "those that are left are the last ones");
    rig.send(client, &query(7, "SELECT"));
    let lanes = [used, alone];
    assert_eq!(lanes.iter().map(|lane| rig.requests(*lane).len()).sum::<usize>(), 1);
    rig.finish();
}

#[test]
fn a_lane_that_owes_an_answer_is_not_unused() {
    let mut rig = Rig::with_limits(|limits| limits.lane_unused_us = 2 * SECOND);
    let (busy, _other) = (rig.lane(1, 0), rig.lane(1, 1));
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 0)]);
    rig.send(client, &execute(1, &[9; 16], b"k"));
    let asked = rig.requests(busy).remove(0);
    rig.now_us += 5 * SECOND;
    rig.send(client, &execute(2, &[9; 16], b"k"));
    rig.pass_time(SECOND);
    assert!(!demands(&mut rig).1.contains(&busy));
    rig.result(busy, asked.stream(), &void());
    rig.finish();
}

#[test]
fn no_lane_is_asked_for_or_closed_without_the_setting() {
    let mut rig = Rig::new();
    let (_beside, _idle) = (rig.lane(1, 0), rig.lane(2, 0));
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 1)]);
    rig.send(client, &execute(1, &[9; 16], b"k"));
    assert_eq!(rig.decisions(Reason::ShardDown), 1);
    rig.pass_time(3_600 * SECOND);
    assert_eq!(demands(&mut rig), (Vec::new(), Vec::new()));
    rig.finish();
}

#[test]
fn a_text_in_a_keyspace_opens_the_lane_of_its_shard() {
    let mut rig = Rig::with_limits(|limits| limits.keyspace_lane_unused_us = 60 * SECOND);
    rig.open_all_lanes();
    rig.know_key("tab", "t", &[("k", ColumnType::Int)]);
    rig.know_tablet(&[(0, 1)]);
    let client = rig.client();
    let (pool, first) = use_keyspace(&mut rig, client, "tab");
    for stream in 0..3 {
        rig.send(client, &query(stream, "SELECT v FROM t WHERE k = 1"));
    }
    let texts = rig.requests(first);
    assert_eq!(texts.len(), 3, "none waits");
    assert_eq!(rig.decisions(Reason::ShardNotOpen), 3);
    assert_eq!(demands(&mut rig).0, [(0, 1)]);

    let own = rig.lane_of(pool, 0, 1).unwrap();
    rig.send(client, &query(9, "SELECT v FROM t WHERE k = 1"));
    let (lane, request) = rig.request();
    assert_eq!(lane, own);
    rig.result(own, request.stream(), &void());
    for text in texts {
        rig.result(first, text.stream(), &void());
    }

    // The plain lanes are kept, and one in the keyspace.
    rig.pass_time(61 * SECOND);
    let closed = demands(&mut rig).1;
    assert_eq!(closed.len(), 1);
    assert!([first, own].contains(&closed[0]));
    rig.finish();
}
