//! No node of the local data center is up: those of another one, for requests that may go there.

use cql::consistency::Consistency::{LocalOne, LocalQuorum, LocalSerial, Quorum};
use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::response::error::Extras;
use shardlane::topology::id::NodeId;

use crate::support::frames::{batch, execute_at, prepare, query, query_at, void};
use crate::support::rig::Rig;

/// One lane to node 2, which is far away.
fn far_away(local_consistency: bool) -> Rig {
    let mut rig = Rig::new();
    rig.input(|engine| engine.on_remote_nodes(vec![NodeId(2)], local_consistency));
    rig.lane(2, 0);
    rig
}

#[test]
fn local_requests_stay_and_the_others_go_to_far_nodes() {
    let mut rig = far_away(false);
    let client = rig.client();
    let child: (&[u8], &[u8]) = (&[9; 16], b"k");
    for (bytes, consistency) in [
        (query_at(1, "SELECT", LocalQuorum), LocalQuorum),
        (query_at(1, "SELECT", LocalOne), LocalOne),
        (query_at(1, "SELECT", LocalSerial), LocalSerial),
        (execute_at(1, &[9; 16], b"k", LocalOne, 0), LocalOne),
        // The batches of these tests say LOCAL_QUORUM.
        (batch(1, 0, &[child]), LocalQuorum),
    ] {
        rig.send(client, &bytes);
        let answer = rig.answer(client);
        assert_eq!((answer.stream(), answer.code()), (1, ErrorCode::UNAVAILABLE));
        let extras = Extras::Unavailable { consistency, required: 1, alive: 0 };
        assert_eq!(answer.error().extras, extras);
        assert!(rig.all_requests().is_empty(), "it must not leave");
    }
    for bytes in [
        query_at(2, "SELECT", Quorum),
        query(2, "SELECT"),
        execute_at(2, &[9; 16], b"k", Quorum, 0),
        prepare(2, "SELECT"),
    ] {
        rig.send(client, &bytes);
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), &void());
        assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    }
    rig.finish();
}

#[test]
fn local_requests_go_to_far_nodes_too_if_that_is_allowed() {
    let mut rig = far_away(true);
    let client = rig.client();
    rig.send(client, &query_at(1, "SELECT", LocalQuorum));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &void());
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    rig.finish();
}

#[test]
fn far_lanes_finish_and_take_nothing_new_once_a_local_one_is_up() {
    let mut rig = far_away(false);
    let client = rig.client();
    rig.send(client, &query_at(1, "SELECT 1", Quorum));
    let (far, waiting) = rig.request();
    let near = rig.lane(0, 0);
    rig.input(|engine| engine.on_remote_nodes(Vec::new(), false));
    assert!(rig.lanes_to_close().is_empty(), "it still owes an answer");
    for consistency in [Quorum, LocalQuorum] {
        rig.send(client, &query_at(2, "SELECT 2", consistency));
        let (lane, request) = rig.request();
        assert_eq!(lane, near);
        rig.result(lane, request.stream(), &void());
        assert_eq!(rig.answer(client).stream(), 2);
    }
    rig.result(far, waiting.stream(), &void());
    assert_eq!(rig.answer(client).stream(), 1);
    assert_eq!(rig.lanes_to_close(), [far]);
    rig.finish();
}
