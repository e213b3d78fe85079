//! What the server's payload teaches, and that the client never sees it.

use cql::header::{FLAG_PAYLOAD, FLAG_TRACING, FLAG_WARNING};
use cql::notation::{put_short, put_string};
use cql::opcode::Opcode;
use shardlane::engine::action::{Action, PeerMessage};
use shardlane::engine::view::tally::Feedback;
use shardlane::routing::decision::Reason;

use crate::support::frames::{execute, rows, schema_event, tablet_payload, void};
use crate::support::rig::{Rig, host, snapshot, token};

/// Sends one EXECUTE and answers it with a tablet on `node`.1 and `before` in front.
fn miss(rig: &mut Rig, flags: u8, before: &[u8], message: &[u8], node: u16) {
    let client = rig.clients[0];
    rig.send(client, &execute(4, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    let payload = tablet_payload(i64::MIN, i64::MAX, &[(host(node).0, 1)]);
    let body = [before, &payload, message].concat();
    rig.respond(lane, flags | FLAG_PAYLOAD, request.stream(), Opcode::Result, &body);
}

fn prefixes() -> Vec<(u8, Vec<u8>)> {
    let mut warning = Vec::new();
    put_short(&mut warning, 1);
    put_string(&mut warning, "beware");
    let tracing = vec![7; 16];
    vec![
        (0, Vec::new()),
        (FLAG_TRACING, tracing.clone()),
        (FLAG_WARNING, warning.clone()),
        (FLAG_TRACING | FLAG_WARNING, [tracing, warning].concat()),
    ]
}

#[test]
fn a_miss_teaches_the_tablet_and_the_payload_is_cut() {
    for message in [rows(b"rows"), void()] {
        for (flags, before) in prefixes() {
            let mut rig = Rig::with_all_lanes();
            let client = rig.client();
            rig.prepare_select(client, "tab", 9);
            miss(&mut rig, flags, &before, &message, 2);

            let answer = rig.answer(client);
            assert_eq!((answer.stream(), answer.header.flags), (4, flags));
            assert_eq!(answer.body, [&before[..], &message].concat());

            rig.send(client, &execute(5, &[9; 16], b"key "));
            assert_eq!(rig.request().0, rig.lanes[5]);
            assert_eq!(rig.decisions(Reason::TabletReplica), 1);
            rig.finish();
        }
    }
}

#[test]
fn hits_and_misses_are_counted_by_table() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    miss(&mut rig, 0, &[], &void(), 2);
    for _ in 0..3 {
        rig.send(client, &execute(5, &[9; 16], b"key "));
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), &void());
    }
    let feedback = rig.engine.tally().feedback[0];
    assert_eq!((feedback.hits, feedback.misses), (3, 1));
    assert_eq!(rig.engine.gauges().tablets, 1);
    rig.finish();
}

#[test]
fn a_table_that_is_dropped_takes_its_counts_along() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    miss(&mut rig, 0, &[], &void(), 2);
    assert_eq!(rig.engine.tally().feedback[0].misses, 1);
    rig.input(|engine| engine.on_event(&schema_event("UPDATED", "tab", Some("t"))));
    assert_eq!(rig.engine.tally().feedback[0].misses, 1);
    rig.input(|engine| engine.on_event(&schema_event("DROPPED", "tab", Some("t"))));
    assert_eq!(rig.engine.tally().feedback[0], Feedback::default());
}

#[test]
fn other_workers_learn_what_one_has_learned() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    miss(&mut rig, 0, &[], &void(), 2);
    let messages = rig.peer_messages();
    assert!(
        matches!(&messages[..], [PeerMessage::Statement(_), PeerMessage::Tablet(_)]),
        "{messages:?}"
    );

    let mut peer = Rig::with_all_lanes();
    for message in messages {
        peer.input(|engine| engine.on_peer_message(message));
    }
    assert!(peer.peer_messages().is_empty(), "messages of others are not passed on");
    let client = peer.client();
    peer.send(client, &execute(5, &[9; 16], b"key "));
    assert_eq!(peer.request().0, peer.lanes[5]);
    assert_eq!(peer.decisions(Reason::TabletReplica), 1);
    peer.finish();
}

#[test]
fn a_tablet_on_an_unknown_host_is_learned_once_the_host_is_known() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    miss(&mut rig, 0, &[], &void(), 3);
    assert!(rig.actions.iter().any(|order| matches!(order, Action::RefreshTopology)));
    assert_eq!(rig.engine.gauges().tablets, 0);

    rig.input(|engine| engine.on_snapshot(snapshot(2, 4)));
    assert_eq!(rig.engine.gauges().tablets, 1);
    let lane = rig.lane(3, 1);
    let _warmed = rig.requests(lane);
    rig.send(client, &execute(5, &[9; 16], b"key "));
    assert_eq!(rig.request().0, lane);
    rig.finish();
}

#[test]
fn a_node_that_left_takes_its_tablets_along() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    miss(&mut rig, 0, &[], &void(), 2);
    rig.input(|engine| engine.on_snapshot(snapshot(2, 2)));
    assert_eq!(rig.engine.gauges().tablets, 0);
    rig.finish();
}

#[test]
fn a_tablet_serves_the_keys_of_its_range_alone() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.send(client, &execute(4, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    let here = token(b"key ");
    let payload = tablet_payload(here - 1, here, &[(host(2).0, 1)]);
    let body = [payload, void()].concat();
    rig.respond(lane, FLAG_PAYLOAD, request.stream(), Opcode::Result, &body);

    rig.send(client, &execute(5, &[9; 16], b"key "));
    rig.send(client, &execute(6, &[9; 16], b"another key"));
    assert_eq!(rig.decisions(Reason::TabletReplica), 1);
    assert_eq!(rig.decisions(Reason::UnknownTablet), 2);
    rig.finish();
}

#[test]
fn a_broken_report_is_cut_and_teaches_nothing() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    let mut payload = tablet_payload(i64::MIN, i64::MAX, &[(host(2).0, 1)]);
    let at = payload.len() - 5;
    payload[at] = 9;
    rig.send(client, &execute(4, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    let body = [payload, rows(b"rows")].concat();
    rig.respond(lane, FLAG_PAYLOAD, request.stream(), Opcode::Result, &body);
    assert_eq!(rig.answer(client).mark(), b"rows");
    assert_eq!(rig.engine.gauges().tablets, 0);
    rig.finish();
}

#[test]
fn a_body_whose_payload_is_cut_off_closes_the_lane_and_the_client_gets_an_error() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &execute(4, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    rig.respond(lane, FLAG_PAYLOAD, request.stream(), Opcode::Result, &[0, 1, 0, 9]);
    assert_eq!((rig.answer(client).code().0, rig.lanes_to_close()), (0, vec![lane]));
    rig.finish();
}
