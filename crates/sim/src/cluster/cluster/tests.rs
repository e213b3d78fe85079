//! Landing shards, schema lag, events.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::cluster::seed::uuid_text;
use crate::node::probe::{Probe, cluster, create_table};
use cql::notation::Reader;
use cql::opcode::Opcode;

const LAG: Duration = Duration::from_millis(50);
const KEYSPACE: &str = "CREATE KEYSPACE ks WITH replication = \
                        {'class': 'NetworkTopologyStrategy', 'datacenter1': 3}";
const TABLE: &str = "CREATE TABLE ks.t (pk int PRIMARY KEY, v int)";

fn shard(cluster: &Cluster, id: ConnectionId) -> u16 {
    cluster.connections.iter().find(|connection| connection.id == id).unwrap().shard
}

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 9], port))
}

#[test]
fn the_shard_aware_port_takes_the_source_port_and_the_plain_port_does_not() {
    let mut cluster = cluster(|options| options.shards = 3);
    for port in [40_000, 40_001, 40_002] {
        let id = cluster.open(0, PortKind::ShardAware, peer(port)).unwrap();
        assert_eq!(shard(&cluster, id), port % 3);
    }
    let plain: Vec<u16> = (0..4)
        .map(|_| {
            let id = cluster.open(0, PortKind::Plain, peer(40_001)).unwrap();
            shard(&cluster, id)
        })
        .collect();
    assert_eq!(plain, [0, 1, 2, 0]);
}

#[test]
fn the_shard_aware_port_behind_nat_leads_to_any_shard() {
    let mut cluster = cluster(|options| options.nat = true);
    let landings: Vec<u16> = (0..32)
        .map(|_| {
            let id = cluster.open(0, PortKind::ShardAware, peer(40_000)).unwrap();
            shard(&cluster, id)
        })
        .collect();
    assert!(landings.contains(&0) && landings.contains(&1));
}

#[test]
fn other_nodes_see_a_table_later() {
    let mut cluster = cluster(|options| options.schema_lag = LAG);
    let here = Probe::ready(&mut cluster, 0, 0);
    let mut there = Probe::ready(&mut cluster, 1, 0);
    there.register(&mut cluster);
    here.query(&mut cluster, KEYSPACE).ok();
    cluster.on_time(LAG);
    there.mail(&mut cluster);
    here.query(&mut cluster, TABLE).ok();

    let text = "SELECT v FROM ks.t";
    let early = there.query(&mut cluster, text);
    assert_eq!(early.error(), (0x2200, "unconfigured table t".to_owned()));
    assert_ne!(cluster.members[0].schema_seen, cluster.members[1].schema_seen);
    here.query(&mut cluster, text).ok();

    there.now = cluster.next_due().unwrap();
    cluster.on_time(there.now);
    there.query(&mut cluster, text).ok();
    assert_eq!(there.mail(&mut cluster).len(), 1);
    assert_eq!(cluster.members[0].schema_seen, cluster.members[1].schema_seen);
}

#[test]
fn the_event_of_a_change_comes_before_its_result() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::ready(&mut cluster, 0, 0);
    probe.register(&mut cluster);
    let mut body = Vec::new();
    cql::notation::put_long_string(&mut body, KEYSPACE);
    body.extend_from_slice(&[0, 1, 0]);
    let replies = probe.send_flagged(&mut cluster, Opcode::Query, 0, &body);
    let opcodes: Vec<Opcode> = replies.iter().map(|reply| reply.opcode()).collect();
    assert_eq!(opcodes, [Opcode::Event, Opcode::Result]);
    assert_eq!(replies[0].header.stream, -1);
    assert!(probe.mail(&mut cluster).is_empty());
}

#[test]
fn a_stop_is_announced_at_once_with_the_port_of_the_listener() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::ready(&mut cluster, 0, 0);
    probe.register(&mut cluster);
    cluster.stop_node(2).unwrap();
    let event = probe.mail(&mut cluster).pop().unwrap();
    let mut reader = Reader::new(&event.body);
    assert_eq!(reader.string().unwrap(), "STATUS_CHANGE");
    assert_eq!(reader.string().unwrap(), "DOWN");
    let (address, port) = reader.inet().unwrap();
    assert_eq!((address, port), (cluster.members[2].address, 19042));
}

#[test]
fn the_same_options_give_the_same_cluster() {
    let build = || {
        let mut cluster = cluster(|_| {});
        create_table(&mut cluster, 2, 8);
        let tablets = cluster.layout.table("ks", "t").unwrap().tablets.clone();
        (tablets, cluster.members[2].host_id, cluster.members[2].tokens.clone())
    };
    assert_eq!(build(), build());
}

#[test]
fn a_seed_gives_the_same_cluster_in_every_release() {
    let mut cluster = cluster(|options| options.vnodes = 2);
    create_table(&mut cluster, 1, 4);
    let member = |node: usize| {
        let it = &cluster.members[node];
        (uuid_text(&it.host_id), it.tokens.clone())
    };
    let golden = [
        (
            "a59e20c0-d1dd-4264-ad86-b8346493ca19".to_owned(),
            vec![678_711_068_760_806_486, 7_388_393_187_011_544_133],
        ),
        (
            "7a60342e-8245-4738-b4b8-2e7c168bd01b".to_owned(),
            vec![-9_017_359_320_825_260_104, 6_134_729_374_533_662_922],
        ),
        (
            "77f97236-e6e1-4b30-a791-e245fa00e2e1".to_owned(),
            vec![-4_938_440_208_805_871_236, 6_003_649_340_801_801_341],
        ),
    ];
    assert_eq!([0, 1, 2].map(member), golden);
    let tablets = cluster.tablets("ks", "t").unwrap();
    let replicas: Vec<_> = tablets.all().iter().map(|tablet| tablet.replicas[0]).collect();
    assert_eq!(replicas, [(0, 0), (2, 0), (1, 1), (1, 0)]);
    assert_eq!(uuid_text(&tablets.table_id), "04afc002-833b-11ee-9758-35de1c9756ce");
}

#[test]
fn a_dropped_table_loses_its_tablets_and_a_new_one_gets_others() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 2, 8);
    let load =
        |cluster: &Cluster| -> usize { (0..3).map(|it| cluster.layout.loads.of_node(it)).sum() };
    assert_eq!(load(&cluster), 16);
    let probe = Probe::ready(&mut cluster, 0, 0);
    probe.query(&mut cluster, "DROP TABLE ks.t").ok();
    assert!(cluster.layout.table("ks", "t").is_none());
    assert_eq!(load(&cluster), 0);
}
