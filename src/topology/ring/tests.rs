//! Rings against the words of the strategy, taken literally.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;

use proptest::collection;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;

use super::*;
use crate::topology::id::HostId;

#[test]
fn a_token_belongs_to_the_next_ring_token_and_the_last_range_wraps() {
    let nodes = [node(0, "dc1", "r", &[-10]), node(1, "dc1", "r", &[5]), node(2, "dc1", "r", &[9])];
    let ring = RingReplicas::new(&nodes, &Replication::Simple { factor: 2 });

    for (token, expected) in [
        (-11, [0, 1]),
        (-10, [0, 1]),
        (-9, [1, 2]),
        (5, [1, 2]),
        (6, [2, 0]),
        (9, [2, 0]),
        (10, [0, 1]),
        (i64::MAX, [0, 1]),
    ] {
        assert_eq!(replicas(&ring, token), expected, "{token}");
    }
    assert_eq!(ring.replicas(Token::MINIMUM), [NodeId(0), NodeId(1)]);
    for (token, after, last) in
        [(-11, 9, -10), (-10, 9, -10), (-9, -10, 5), (9, 5, 9), (10, 9, -10)]
    {
        let range = (Token::new(after), Token::new(last));
        assert_eq!(ring.range(Token::new(token)), Some(range), "{token}");
    }
    assert_eq!(RingReplicas::default().range(Token::FIRST), None);
}

#[test]
fn each_rack_gets_a_copy_before_any_gets_two() {
    let nodes = [
        node(0, "dc1", "r1", &[10]),
        node(1, "dc1", "r1", &[20]),
        node(2, "dc1", "r1", &[30]),
        node(3, "dc1", "r2", &[40]),
        node(4, "dc1", "r3", &[50]),
    ];
    assert_eq!(replicas(&ring(&nodes, &[("dc1", 3)]), 0), [0, 3, 4]);
    assert_eq!(replicas(&ring(&nodes, &[("dc1", 2)]), 0), [0, 3]);
    // One more copy than racks: the first node met in a rack that has one already takes it.
    assert_eq!(replicas(&ring(&nodes, &[("dc1", 4)]), 0), [0, 1, 3, 4]);
    assert_eq!(replicas(&ring(&nodes, &[("dc1", 9)]), 45), [4, 0, 1, 2, 3]);
}

#[test]
fn racks_of_the_same_name_in_two_data_centers_are_two_racks() {
    let nodes = [
        node(0, "dc1", "r1", &[10]),
        node(1, "dc2", "r1", &[20]),
        node(2, "dc1", "r2", &[30]),
        node(3, "dc2", "r2", &[40]),
    ];
    assert_eq!(replicas(&ring(&nodes, &[("dc1", 1), ("dc2", 2)]), 0), [0, 1, 3]);
    assert_eq!(replicas(&ring(&nodes, &[("dc1", 2), ("dc2", 2)]), 15), [1, 2, 3, 0]);
}

#[test]
fn a_rack_list_takes_one_node_of_each_listed_rack() {
    let nodes = [
        node(0, "dc1", "r1", &[10]),
        node(1, "dc1", "r2", &[20]),
        node(2, "dc1", "r3", &[30]),
        node(3, "dc1", "r3", &[40]),
    ];
    let racks = Copies::Racks(["r1".into(), "r3".into(), "not there".into()].into());
    let data_centers = BTreeMap::from([("dc1".into(), racks)]);
    let ring = RingReplicas::new(&nodes, &Replication::NetworkTopology { data_centers });
    assert_eq!(replicas(&ring, 0), [0, 2]);
    assert_eq!(replicas(&ring, 15), [2, 0]);
    assert_eq!(replicas(&ring, 35), [3, 0]);
}

#[test]
fn nodes_without_tokens_and_data_centers_without_copies_have_no_part() {
    let nodes = [
        node(0, "dc1", "r1", &[10]),
        node(1, "dc1", "r2", &[]),
        node(2, "dc2", "r1", &[30]),
        node(3, "dc3", "r1", &[40]),
    ];
    assert_eq!(replicas(&ring(&nodes, &[("dc1", 3), ("dc3", 0), ("dc9", 1)]), 20), [0]);
}

#[test]
fn two_nodes_may_show_one_token_while_one_replaces_the_other() {
    let nodes = [
        node(0, "dc1", "r1", &[10, 20]),
        node(1, "dc1", "r2", &[10, 20]),
        node(2, "dc1", "r2", &[15]),
    ];
    let ring = ring(&nodes, &[("dc1", 2)]);
    assert_eq!(replicas(&ring, 0), [0, 2]);
    assert_eq!(replicas(&ring, 12), [2, 0]);
}

#[test]
fn every_node_is_a_replica_under_everywhere_and_none_under_local() {
    let nodes = [node(1, "dc1", "r1", &[10]), node(0, "dc2", "r1", &[20])];
    assert_eq!(replicas(&RingReplicas::new(&nodes, &Replication::Everywhere), 15), [0, 1]);
    for replication in [Replication::Local, Replication::Unknown] {
        let ring = RingReplicas::new(&nodes, &replication);
        assert!(ring.is_empty());
        assert!(ring.replicas(Token::new(0)).is_empty());
    }
}

#[test]
fn a_cluster_without_nodes_has_no_replicas() {
    for replication in [Replication::Everywhere, Replication::Simple { factor: 3 }] {
        let ring = RingReplicas::new(&[], &replication);
        assert!(ring.is_empty());
        assert!(ring.replicas(Token::LAST).is_empty());
    }
}

proptest! {
    #[test]
    fn rings_follow_the_strategy(
        places in collection::vec((0_usize..3, 0_usize..3, collection::vec(token(), 0..5)), 0..8),
        factors in [0_usize..5, 0..5, 0..5],
        simple in any::<bool>(),
        asked in collection::vec(token(), 1..10),
    ) {
        let nodes = cluster(&places);
        let factors: Vec<(&str, usize)> = ["dc0", "dc1", "dc2"].into_iter().zip(factors).collect();
        let factor = factors[0].1;
        let ring = match simple {
            true => RingReplicas::new(&nodes, &Replication::Simple { factor }),
            false => ring(&nodes, &factors),
        };
        for token in asked {
            let walk = naive_walk(&nodes, token);
            let expected = match simple {
                true => walk.iter().take(factor).map(|node| node.id.0).collect(),
                false => naive_network(&walk, &factors),
            };
            prop_assert_eq!(replicas(&ring, token), expected);
        }
    }
}

/// Few enough tokens that rings meet the asked ones, and each other's.
fn token() -> impl Strategy<Value = i64> {
    prop_oneof![-20_i64..20, Just(i64::MAX), any::<i64>().prop_map(|raw| Token::new(raw).value())]
}

fn cluster(places: &[(usize, usize, Vec<i64>)]) -> Vec<Arc<Node>> {
    let mut taken = BTreeSet::new();
    let mut nodes = Vec::new();
    for (number, (data_center, rack, tokens)) in places.iter().enumerate() {
        let free: Vec<i64> = tokens.iter().copied().filter(|token| taken.insert(*token)).collect();
        let (data_center, rack) = (format!("dc{data_center}"), format!("r{rack}"));
        nodes.push(node(u16::try_from(number).unwrap(), &data_center, &rack, &free));
    }
    nodes
}

/// The nodes in the order in which a walk from `token` first meets them.
fn naive_walk(nodes: &[Arc<Node>], token: i64) -> Vec<Arc<Node>> {
    let mut ring = BTreeMap::new();
    for node in nodes {
        ring.extend(node.tokens.iter().map(|token| (token.value(), Arc::clone(node))));
    }
    let mut met: Vec<Arc<Node>> = Vec::new();
    for (_, node) in ring.range(token..).chain(ring.range(..token)) {
        if !met.contains(node) {
            met.push(Arc::clone(node));
        }
    }
    met
}

/// For each data center the first node of each rack, and of the others so many as its factor
/// exceeds its racks.
fn naive_network(walk: &[Arc<Node>], factors: &[(&str, usize)]) -> Vec<u16> {
    let mut chosen = BTreeSet::new();
    for (data_center, factor) in factors {
        let local: Vec<_> = walk.iter().filter(|node| &*node.data_center == *data_center).collect();
        let mut racks = BTreeSet::new();
        let (firsts, others): (Vec<_>, Vec<_>) =
            local.into_iter().partition(|node| racks.insert(Arc::clone(&node.rack)));
        let repeats = factor.saturating_sub(firsts.len());
        let firsts = firsts.iter().take(*factor);
        chosen.extend(firsts.chain(others.iter().take(repeats)).map(|node| node.id));
    }
    walk.iter().filter(|node| chosen.contains(&node.id)).map(|node| node.id.0).collect()
}

fn ring(nodes: &[Arc<Node>], factors: &[(&str, usize)]) -> RingReplicas {
    let entry = |(name, factor): &(&str, usize)| (Box::from(*name), Copies::Count(*factor));
    let data_centers = factors.iter().map(entry).collect();
    RingReplicas::new(nodes, &Replication::NetworkTopology { data_centers })
}

fn replicas(ring: &RingReplicas, token: i64) -> Vec<u16> {
    ring.replicas(Token::new(token)).iter().map(|node| node.0).collect()
}

fn node(number: u16, data_center: &str, rack: &str, tokens: &[i64]) -> Arc<Node> {
    Arc::new(Node {
        id: NodeId(number),
        host: HostId(u128::from(number).to_be_bytes()),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 9042,
        data_center: data_center.into(),
        rack: rack.into(),
        tokens: tokens.iter().map(|token| Token::new(*token)).collect(),
    })
}
