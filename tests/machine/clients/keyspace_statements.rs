//! Statements that were prepared in a keyspace: over which lanes they are prepared and run.

use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;

use crate::clients::keyspaces::use_keyspace;
use crate::support::frames::{execute, prepare, prepared, rows, unprepared};
use crate::support::rig::Rig;

#[test]
fn a_qualified_statement_is_prepared_on_the_plain_lanes_whatever_the_keyspace() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let (_, bound) = use_keyspace(&mut rig, client, "ks");
    for text in ["SELECT v FROM tab.t WHERE k = ?", "INSERT INTO \"Tab\".t (k) VALUES (?)"] {
        rig.send(client, &prepare(1, text));
        assert_ne!(rig.request().0, bound, "{text}");
    }
    for text in ["SELECT v FROM t WHERE k = ?", "CREATE TABLE tab.t (k int PRIMARY KEY)"] {
        rig.send(client, &prepare(1, text));
        assert_eq!(rig.request().0, bound, "{text}");
    }
    rig.finish();
}

/// A client in `ks` whose unqualified statement `[9; 16]` is known, and its lanes to nodes 0 and 1.
fn with_unqualified_statement(rig: &mut Rig) -> (ClientKey, [LaneKey; 2]) {
    let client = rig.client();
    let (pool, first) = use_keyspace(rig, client, "ks");
    let second = rig.lane_of(pool, 1, 0).unwrap();
    rig.prepare(client, "SELECT v FROM t WHERE k = ?", &prepared(&[9; 16], 0, "ks.t", b"c"));
    (client, [first, second])
}

#[test]
fn a_node_without_a_lane_of_the_keyspace_costs_its_clients_no_unprepared() {
    let mut rig = Rig::with_all_lanes();
    let (client, bound) = with_unqualified_statement(&mut rig);
    // Node 2 has come back: its plain lanes are up, that of the keyspace is not.
    let forgetful: Vec<LaneKey> = rig.lanes[4..6].to_vec();
    let mut bounced = 0;
    for stream in 0..20 {
        rig.send(client, &execute(stream, &[9; 16], b"key "));
        let (mut lane, mut request) = rig.request();
        if forgetful.contains(&lane) {
            bounced += 1;
            rig.error(lane, request.stream(), &unprepared(&[9; 16]));
            (lane, request) = rig.request();
            assert_eq!(request.opcode(), Opcode::Execute);
            assert!(!forgetful.contains(&lane) && !bound.contains(&lane));
        }
        rig.result(lane, request.stream(), &rows(b"rows"));
        assert_eq!(rig.answer(client).mark(), b"rows");
    }
    assert!(bounced > 0);
    rig.finish();
}

#[test]
fn without_a_lane_of_its_keyspace_anywhere_a_statement_is_for_its_client_to_prepare() {
    let mut rig = Rig::with_all_lanes();
    let (client, bound) = with_unqualified_statement(&mut rig);
    bound.into_iter().for_each(|lane| rig.lose(lane));
    rig.send(client, &execute(1, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &unprepared(&[9; 16]));
    assert!(rig.all_requests().is_empty());
    assert_eq!(rig.answer(client).code(), ErrorCode::UNPREPARED);
    rig.finish();
}

#[test]
fn cassandra_runs_a_statement_without_a_keyspace_where_it_was_prepared() {
    let mut rig = Rig::new();
    rig.is_cassandra = true;
    rig.open_all_lanes();
    let (client, bound) = with_unqualified_statement(&mut rig);
    for stream in 0..6 {
        rig.send(client, &execute(stream, &[9; 16], b"key "));
        let (lane, request) = rig.request();
        assert!(bound.contains(&lane), "on a plain lane the server warns");
        rig.error(lane, request.stream(), &unprepared(&[9; 16]));
        let (again, prepare) = rig.request();
        assert_eq!(again, lane);
        rig.result(again, prepare.stream(), &prepared(&[9; 16], 0, "ks.t", b"c"));
        let (to, request) = rig.request();
        assert_eq!(to, lane);
        rig.result(to, request.stream(), &rows(b"rows"));
        assert_eq!(rig.answer(client).mark(), b"rows");
    }
    // One that names its keyspace goes anywhere, and so does the other where no lane is in it.
    rig.prepare_select(client, "tab", 8);
    rig.send(client, &execute(7, &[8; 16], b"key "));
    assert!(!bound.contains(&rig.request().0));
    bound.into_iter().for_each(|lane| rig.lose(lane));
    rig.send(client, &execute(8, &[9; 16], b"key "));
    assert!(!bound.contains(&rig.request().0));
    rig.finish();
}
