//! Moves, splits, resharding, growth.

use super::*;
use crate::cluster::connections::Mail;
use crate::like::Like;
use crate::node::probe::{Probe, cluster, create_table};

fn count(cluster: &Cluster) -> usize {
    cluster.layout.table("ks", "t").unwrap().tablets.as_ref().unwrap().all().len()
}

fn nodes_of(cluster: &Cluster, token: i64) -> Vec<Replica> {
    let tablets = cluster.layout.table("ks", "t").unwrap().tablets.as_ref().unwrap();
    tablets.locate(token).unwrap().1.replicas.clone()
}

#[test]
fn counts_are_powers_of_two_on_6_2_and_anything_on_2026_3() {
    for (like, tablets) in [(Like::V6_2, 8), (Like::V2026_3, 7)] {
        let mut cluster = cluster(|options| options.like = like);
        create_table(&mut cluster, 1, 7);
        assert_eq!(count(&cluster), tablets);
    }
}

#[test]
fn a_moved_tablet_has_its_new_replica() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 4);
    let from = nodes_of(&cluster, 0)[0];
    let to = ((from.0 + 1) % 3, 1);
    cluster.move_tablet("ks", "t", 0, from, to).unwrap();
    assert_eq!(nodes_of(&cluster, 0), [to]);
    let again = cluster.move_tablet("ks", "t", 0, from, to);
    assert_eq!(again, Err(ClusterError::NoReplica { node: from.0, shard: from.1, token: 0 }));
}

#[test]
fn a_tablet_on_its_way_stays_where_it_was_until_it_is_there() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 4);
    let from = nodes_of(&cluster, 0)[0];
    let to = ((from.0 + 1) % 3, 1);
    cluster.begin_move("ks", "t", 0, from, to).unwrap();
    assert_eq!(nodes_of(&cluster, 0), [from]);
    let lost = cluster.begin_move("ks", "t", 0, to, from);
    assert_eq!(lost, Err(ClusterError::NoReplica { node: to.0, shard: to.1, token: 0 }));
    assert_eq!((cluster.end_moves("ks", "t"), nodes_of(&cluster, 0)), (Ok(1), vec![to]));
    assert_eq!(cluster.end_moves("ks", "t"), Ok(0));
}

#[test]
fn splits_and_merges_change_the_count() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 3);
    assert_eq!(cluster.split_tablets("ks", "t"), Ok(6));
    assert_eq!(cluster.merge_tablets("ks", "t"), Ok(3));
    assert_eq!(cluster.merge_tablets("ks", "t"), Ok(2));
    assert_eq!(cluster.merge_tablets("ks", "t"), Ok(1));
    assert_eq!(cluster.merge_tablets("ks", "t"), Err(ClusterError::NothingToMerge));
}

#[test]
fn shards_may_become_more_but_not_fewer_than_tablets_need() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 12);
    let probe = Probe::ready(&mut cluster, 0, 0);
    cluster.reshard_node(0, 4).unwrap();
    assert!(cluster.take_mail().contains(&Mail::Close(probe.id)));
    assert_eq!(cluster.members[0].nr_shards(), 4);
    assert_eq!(cluster.layout.loads.highest_shard(0), Some(3));
    let fewer = cluster.reshard_node(0, 2);
    assert_eq!(fewer, Err(ClusterError::TabletsInTheWay { node: 0, shard: 3 }));
}

#[test]
fn a_new_node_takes_its_share_and_a_leaving_one_gives_it_back() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 2, 12);
    let node = cluster.add_node(2, None).unwrap();
    assert_eq!((node, cluster.layout.loads.of_node(node)), (3, 6));
    cluster.remove_node(node).unwrap();
    assert_eq!(cluster.layout.loads.of_node(node), 0);
    let replicas = |token| nodes_of(&cluster, token).len();
    assert!((-4..4).all(|part: i64| replicas(part << 60) == 2));
}

#[test]
fn a_node_that_keyspaces_need_may_not_leave() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 3, 4);
    let refused = cluster.remove_node(0);
    assert_eq!(refused, Err(ClusterError::TooFewNodes(0, "ks".to_owned())));
}

#[test]
fn a_restarted_node_has_nothing_prepared() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 3, 4);
    let text = "SELECT v FROM ks.t WHERE pk = ?";
    let id = Probe::ready(&mut cluster, 1, 0).prepare(&mut cluster, text);
    cluster.stop_node(1).unwrap();
    cluster.start_node(1).unwrap();
    let probe = Probe::ready(&mut cluster, 1, 0);
    assert_eq!(probe.execute(&mut cluster, &id, &[&[0, 0, 0, 1]]).error().0, 0x2500);
}
