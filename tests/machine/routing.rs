//! EXECUTE and BATCH go to the shard that owns the row, as far as it is known.

use cql::consistency::Consistency;
use cql::opcode::Opcode;
use shardlane::routing::decision::Reason;
use shardlane::topology::id::NodeId;

use crate::support::frames::{
    LWT_MASK, SKIP_METADATA, batch, execute, execute_at, prepare, prepared, query, void,
};
use crate::support::rig::{Rig, shard_of, snapshot};

#[test]
fn a_known_tablet_leads_to_its_replica_shard() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 1)]);
    for stream in 0..20 {
        rig.send(client, &execute(stream, &[9; 16], &i32::from(stream).to_be_bytes()));
    }
    let asked = rig.all_requests();
    assert_eq!(asked.len(), 20);
    let lane = rig.lanes[3];
    assert!(asked.iter().all(|(to, request)| *to == lane && request.opcode() == Opcode::Execute));
    assert_eq!(rig.decisions(Reason::TabletReplica), 20);
    rig.finish();
}

#[test]
fn the_requests_of_a_tablet_are_shared_by_its_replicas() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 1), (2, 0)]);
    for stream in 0..20 {
        rig.send(client, &execute(stream, &[9; 16], b"key "));
    }
    let counts: Vec<_> = rig.lanes.clone().into_iter().map(|l| rig.requests(l).len()).collect();
    assert_eq!(counts, [0, 0, 0, 10, 10, 0]);
    rig.finish();
}

#[test]
fn the_ring_and_the_hash_lead_to_node_and_shard() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "ring", 9);
    let snapshot = snapshot(1, 3);
    let ring = &snapshot.keyspace("ring").unwrap().ring;
    for number in 0..50i32 {
        let key = number.to_be_bytes();
        rig.send(client, &execute(1, &[9; 16], &key));
        let (lane, request) = rig.request();
        let token = cql::token::partitioner::Partitioner::Murmur3.token(&key);
        let [NodeId(node)] = ring.replicas(token) else { panic!("one copy of each row") };
        assert_eq!(lane, rig.lane_to(*node, shard_of(&key)));
        rig.result(lane, request.stream(), &void());
    }
    assert_eq!(rig.decisions(Reason::RingReplica), 50);
    rig.finish();
}

#[test]
fn an_unknown_statement_goes_anywhere_untouched() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &execute(1, &[1; 16], b"k"));
    assert_eq!(rig.request().1.body, execute(1, &[1; 16], b"k")[9..]);
    assert_eq!(rig.decisions(Reason::UnknownStatement), 1);
    // But for one wish: it is not known which columns the client holds.
    rig.send(client, &execute_at(4, &[1; 16], b"k", Consistency::One, SKIP_METADATA));
    let received = execute_at(4, &[1; 16], b"k", Consistency::One, 0);
    assert_eq!(rig.request().1.body, received[9..]);

    rig.prepare_select(client, "tab", 9);
    rig.send(client, &execute(2, &[9; 16], b"k"));
    assert_eq!(rig.request().1.body, execute(2, &[9; 16], b"k")[9..]);
    assert_eq!(rig.decisions(Reason::UnknownTablet), 1);

    rig.prepare_select(client, "elsewhere", 8);
    rig.send(client, &execute(3, &[8; 16], b"k"));
    assert_eq!(rig.all_requests().len(), 1);
    assert_eq!(rig.decisions(Reason::UnknownKeyspace), 1);

    for (id, keyspace) in [(7, "system_schema"), (6, "own"), (5, "system_views")] {
        rig.prepare_select(client, keyspace, id);
        rig.send(client, &execute(4, &[id; 16], b"k"));
        assert_eq!(rig.all_requests().len(), 1);
    }
    assert_eq!(rig.decisions(Reason::LocalTable), 3, "each node has its own rows");
    assert_eq!(rig.decisions(Reason::UnknownKeyspace), 1);
    rig.finish();
}

#[test]
fn a_replica_whose_shard_has_no_lane_is_reached_by_another_shard_of_its_node() {
    let mut rig = Rig::new();
    let _elsewhere = rig.lane(0, 0);
    let beside = rig.lane(1, 0);
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(1, 1)]);
    rig.send(client, &execute(1, &[9; 16], b"k"));
    assert_eq!(rig.request().0, beside);
    assert_eq!(rig.decisions(Reason::ShardDown), 1);
    rig.lose(beside);
    rig.send(client, &execute(2, &[9; 16], b"k"));
    assert!(rig.decisions(Reason::ReplicaDown) >= 1);
    rig.finish();
}

#[test]
fn light_weight_transactions_go_to_the_first_replica_and_the_client_sees_no_mark() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let text = "UPDATE tab.t SET v = 1 WHERE k = ? IF v = 2";
    rig.send(client, &prepare(1, text));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &prepared(&[9; 16], LWT_MASK, "tab.t", b"c"));
    assert_eq!(rig.answer(client).body, prepared(&[9; 16], 0, "tab.t", b"c"));
    let _spread = rig.all_requests();

    rig.know_tablet(&[(2, 1), (0, 0), (1, 0)]);
    for stream in 0..9 {
        rig.send(client, &execute(stream, &[9; 16], b"k"));
    }
    assert_eq!(rig.requests(rig.lanes[5]).len(), 9);
    assert_eq!(rig.decisions(Reason::LwtPrimary), 9);
    rig.lose(rig.lanes[5]);
    let _again = rig.all_requests();
    rig.send(client, &execute(20, &[9; 16], b"k"));
    assert_eq!(rig.request().0, rig.lanes[0], "the next in order");
    rig.finish();
}

#[test]
fn serial_reads_go_to_the_first_replica() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(2, 1), (0, 0), (1, 0)]);
    for stream in 0..9 {
        rig.send(client, &execute_at(stream, &[9; 16], b"k", Consistency::Serial, 0));
    }
    assert_eq!(rig.requests(rig.lanes[5]).len(), 9);
    rig.finish();
}

#[test]
fn a_batch_follows_its_first_child_that_is_known() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_insert(client, "tab", 9);
    rig.know_tablet(&[(1, 1)]);
    for stream in 0..5 {
        rig.send(client, &batch(stream, 0, &[(&[1; 16], b"a"), (&[9; 16], b"b")]));
    }
    assert_eq!(rig.requests(rig.lanes[3]).len(), 5);
    rig.send(client, &batch(9, 0, &[(&[1; 16], b"a")]));
    assert_eq!(rig.decisions(Reason::UnroutableBatch), 1);
    rig.finish();
}

#[test]
fn requests_are_refused_at_once_where_there_is_no_lane() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.send(client, &[query(1, "SELECT"), prepare(2, "SELECT"), execute(3, b"id", b"k")].concat());
    let answers = rig.answers(client);
    assert!(answers.iter().all(|answer| answer.code().0 == 0x1001));
    assert_eq!(answers.iter().map(|answer| answer.stream()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(rig.engine.client_in_flight(client), Some(0));
    rig.finish();
}

#[test]
fn a_statement_is_prepared_on_every_node_once() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &prepare(1, "SELECT v FROM tab.t WHERE k = ?"));
    let (lane, request) = rig.request();
    let first = rig.lanes.iter().position(|known| *known == lane).unwrap() / 2;
    rig.result(lane, request.stream(), &prepared(&[9; 16], 0, "tab.t", b"c"));
    let spread = rig.all_requests();
    let mut nodes: Vec<_> = spread
        .iter()
        .map(|(lane, _)| rig.lanes.iter().position(|known| known == lane).unwrap() / 2)
        .collect();
    nodes.push(first);
    nodes.sort_unstable();
    assert_eq!(nodes, [0, 1, 2]);
    for (lane, request) in spread {
        rig.result(lane, request.stream(), &prepared(&[9; 16], 0, "tab.t", b"c"));
    }
    assert_eq!(rig.answers(client).len(), 1);
    rig.finish();
}

#[test]
fn a_node_that_comes_up_prepares_what_is_known() {
    let mut rig = Rig::new();
    rig.lane(0, 0);
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    let late = rig.lane(1, 1);
    let warmed = rig.requests(late);
    assert_eq!(warmed.len(), 1);
    assert_eq!(warmed[0].text(), "SELECT v FROM tab.t WHERE k = ? /* 9 */");
    let second = rig.lane(1, 0);
    assert!(rig.requests(second).is_empty(), "a node prepares for all its shards");
    rig.finish();
}
