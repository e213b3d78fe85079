//! When an answer carries a tablet, and how requests are counted.

use crate::cluster::cluster::Cluster;
use crate::like::Like;
use crate::node::probe::{Probe, Reply, cluster, create_table};
use cql::notation::{Reader, put_long_string};
use cql::opcode::Opcode;

const INSERT: &str = "INSERT INTO ks.t (pk, v) VALUES (?, ?)";
const SELECT: &str = "SELECT v FROM ks.t WHERE pk = ?";
const ONE: [u8; 4] = [0, 0, 0, 1];

/// One replica of one tablet, so that three nodes with two shards give five wrong places.
fn one_tablet() -> (Cluster, (usize, u16)) {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 1);
    let tablets = cluster.layout.table("ks", "t").unwrap().tablets.as_ref().unwrap();
    let replica = tablets.all()[0].replicas[0];
    (cluster, replica)
}

fn execute(cluster: &mut Cluster, probe: &Probe, text: &str, values: &[&[u8]]) -> Reply {
    let id = probe.prepare(cluster, text);
    probe.execute(cluster, &id, values).ok()
}

#[test]
fn every_shard_but_the_replica_reports_the_tablet() {
    let (mut cluster, replica) = one_tablet();
    for node in 0..3 {
        for shard in 0..2 {
            let probe = Probe::ready(&mut cluster, node, shard);
            let write = execute(&mut cluster, &probe, INSERT, &[&ONE, &ONE]);
            let read = execute(&mut cluster, &probe, SELECT, &[&ONE]);
            let wrong = (node, shard) != replica;
            assert_eq!((write.has_tablet(), read.has_tablet()), (wrong, wrong));
        }
    }
    let requests = cluster.layout.table("ks", "t").unwrap().requests;
    let routable = requests.routable;
    assert_eq!((routable.right_shard, routable.wrong_shard, routable.non_replica), (2, 2, 8));
    assert_eq!(routable.payloads, 10);
}

#[test]
fn the_payload_precedes_the_message_on_v3_too() {
    let (mut cluster, (node, shard)) = one_tablet();
    let mut probe = Probe::connect(&mut cluster, node, 1 - shard);
    probe.version = 3;
    probe.startup(&mut cluster, &[("TABLETS_ROUTING_V1", "anything")]);
    let reply = execute(&mut cluster, &probe, INSERT, &[&ONE, &ONE]);
    let mut head = vec![0, 1, 0, 0x12];
    head.extend_from_slice(b"tablets-routing-v1");
    head.extend_from_slice(&[0, 0, 0, 64, 0, 0, 0, 8, 0x80]);
    assert_eq!(reply.header.version, 0x83);
    assert_eq!(reply.body[..head.len()], head);
    assert_eq!(reply.body[reply.body.len() - 4..], [0, 0, 0, 1]);
}

#[test]
fn clients_without_the_extension_get_no_payload() {
    let (mut cluster, (node, shard)) = one_tablet();
    let probe = Probe::connect(&mut cluster, node, 1 - shard);
    probe.startup(&mut cluster, &[]);
    assert!(!execute(&mut cluster, &probe, SELECT, &[&ONE]).has_tablet());
}

#[test]
fn literals_and_batches_report_no_tablet_but_query_with_values_does() {
    let (mut cluster, (node, shard)) = one_tablet();
    let probe = Probe::ready(&mut cluster, node, 1 - shard);
    let literal = probe.query(&mut cluster, "SELECT v FROM ks.t WHERE pk = 1").ok();
    assert!(!literal.has_tablet());
    assert!(probe.query_with(&mut cluster, SELECT, &[&ONE]).ok().has_tablet());

    let id = probe.prepare(&mut cluster, INSERT);
    let mut body = vec![0, 0, 1, 1, 0, 16];
    body.extend_from_slice(&id);
    body.extend_from_slice(&[0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0, 1, 0]);
    assert!(!probe.send(&mut cluster, Opcode::Batch, &body).ok().has_tablet());
    let requests = cluster.layout.table("ks", "t").unwrap().requests;
    assert_eq!((requests.text.wrong_shard, requests.text.payloads), (2, 1));
    assert_eq!(requests.other.wrong_shard, 1);
    assert_eq!(requests.routable.wrong_shard, 0);

    let right = Probe::ready(&mut cluster, node, shard);
    right.query(&mut cluster, "SELECT v FROM ks.t WHERE pk = 1").ok();
    right.query_with(&mut cluster, SELECT, &[&ONE]).ok();
    assert_eq!(cluster.requests("ks", "t").unwrap().text.right_shard, 2);
}

#[test]
fn a_conditional_write_reports_the_tablet_on_new_servers() {
    let (mut cluster, (node, shard)) = one_tablet();
    let probe = Probe::ready(&mut cluster, node, 1 - shard);
    let text = "INSERT INTO ks.t (pk, v) VALUES (?, ?) IF NOT EXISTS";
    assert!(execute(&mut cluster, &probe, text, &[&ONE, &ONE]).has_tablet());
}

#[test]
fn tables_without_tablets_get_no_payload() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::ready(&mut cluster, 0, 0);
    let keyspace = "CREATE KEYSPACE v WITH replication = {'class': 'NetworkTopologyStrategy', \
                    'datacenter1': 1} AND tablets = {'enabled': false}";
    probe.query(&mut cluster, keyspace).ok();
    probe.query(&mut cluster, "CREATE TABLE v.t (pk int PRIMARY KEY, v int)").ok();
    for node in 0..3 {
        for shard in 0..2 {
            let probe = Probe::ready(&mut cluster, node, shard);
            let reply = execute(&mut cluster, &probe, "SELECT v FROM v.t WHERE pk = ?", &[&ONE]);
            assert!(!reply.has_tablet());
        }
    }
    let routable = cluster.layout.table("v", "t").unwrap().requests.routable;
    assert_eq!((routable.right_shard, routable.wrong_shard, routable.non_replica), (1, 1, 4));
}

#[test]
fn an_error_has_no_payload() {
    let (mut cluster, (node, _)) = one_tablet();
    let other = (node + 1) % 3;
    let probe = Probe::ready(&mut cluster, other, 0);
    let id = probe.prepare(&mut cluster, SELECT);
    cluster.stop_node(node).unwrap();
    let reply = probe.execute(&mut cluster, &id, &[&ONE]);
    let text = "Cannot achieve consistency level for cl ONE. Requires 1, alive 0";
    assert_eq!(reply.error(), (0x1000, text.to_owned()));
    assert!(!reply.has_tablet());
}

#[test]
fn a_killed_replica_makes_requests_wait_until_its_death_is_noticed() {
    let (mut cluster, (node, _)) = one_tablet();
    let mut probe = Probe::ready(&mut cluster, (node + 1) % 3, 0);
    let id = probe.prepare(&mut cluster, SELECT);
    cluster.kill_node(node, probe.now).unwrap();
    let mut body = vec![0, 16];
    body.extend_from_slice(&id);
    body.extend_from_slice(&[0, 1, 1, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1]);
    assert!(probe.send_flagged(&mut cluster, Opcode::Execute, 0, &body).is_empty());
    probe.now += cluster.options.timeouts.0;
    cluster.on_time(probe.now);
    let late = probe.mail(&mut cluster).pop().unwrap();
    let text = "Operation timed out for ks.t - received only 0 responses from 1 CL=ONE.";
    assert_eq!(late.error(), (0x1200, text.to_owned()));

    probe.now = cluster.options.down_after;
    cluster.on_time(probe.now);
    assert_eq!(probe.execute(&mut cluster, &id, &[&ONE]).error().0, 0x1000);
}

#[test]
fn a_statement_prepared_on_one_node_is_known_to_its_shards_and_to_no_other_node() {
    let (mut cluster, _) = one_tablet();
    let first = Probe::ready(&mut cluster, 0, 0);
    let id = first.prepare(&mut cluster, SELECT);
    let sibling = Probe::ready(&mut cluster, 0, 1);
    sibling.execute(&mut cluster, &id, &[&ONE]).ok();
    let without_extensions = Probe::ready(&mut cluster, 1, 0);
    let reply = without_extensions.execute(&mut cluster, &id, &[&ONE]);
    assert_eq!(reply.error().0, 0x2500);
    assert_eq!(reply.body[reply.body.len() - 16..], id);

    cluster.forget_statements(Some(0), Some(0)).unwrap();
    assert_eq!(first.execute(&mut cluster, &id, &[&ONE]).error().0, 0x2500);
    sibling.execute(&mut cluster, &id, &[&ONE]).ok();
}

#[test]
fn ids_are_the_md5_of_keyspace_and_text() {
    let mut cluster = cluster(|options| options.like = Like::V6_2);
    create_table(&mut cluster, 1, 1);
    let probe = Probe::ready(&mut cluster, 0, 0);
    probe.query(&mut cluster, "CREATE KEYSPACE tr1 WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}").ok();
    probe.query(&mut cluster, "CREATE TABLE tr1.t (pk int PRIMARY KEY, v text)").ok();
    let text = "SELECT v FROM tr1.t WHERE pk = ?";
    assert_eq!(hex::encode(probe.prepare(&mut cluster, text)), "8ef5f8b4119b6eea896ed983f5871f5d");
    probe.query(&mut cluster, "USE tr1").ok();
    assert_eq!(hex::encode(probe.prepare(&mut cluster, text)), "9f874e38b6986b52a884538baebda4a0");
}

/// The first transaction on a table creates another table, with an event.
#[test]
fn the_event_of_a_transaction_table_comes_before_the_result() {
    let (mut cluster, (node, shard)) = one_tablet();
    let probe = Probe::ready(&mut cluster, node, shard);
    probe.register(&mut cluster);
    let mut body = Vec::new();
    put_long_string(&mut body, "INSERT INTO ks.t (pk, v) VALUES (1, 1) IF NOT EXISTS");
    body.extend_from_slice(&[0, 1, 0]);
    let opcodes = |replies: &[Reply]| replies.iter().map(Reply::opcode).collect::<Vec<_>>();
    let replies = probe.send_flagged(&mut cluster, Opcode::Query, 0, &body);
    assert_eq!(opcodes(&replies), [Opcode::Event, Opcode::Result]);
    let mut reader = Reader::new(&replies[0].body);
    let words: Vec<&str> = (0..5).map(|_| reader.string().unwrap()).collect();
    assert_eq!(words, ["SCHEMA_CHANGE", "CREATED", "TABLE", "ks", "t$paxos"]);
    let replies = probe.send_flagged(&mut cluster, Opcode::Query, 0, &body);
    assert_eq!(opcodes(&replies), [Opcode::Result]);
    assert!(cluster.tablets("ks", "t$paxos").is_none(), "it has the tablets of its base");
}
