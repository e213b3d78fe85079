//! Which nodes of a cluster lanes may go to, and which of them come first where not all are used.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::pool::nodes::node_target::{NodeTarget, ShardPort};
use crate::topology::id::NodeId;
use crate::topology::node::Node;
use crate::topology::snapshot::Snapshot;
use cql::token::partitioner::Partitioner;

/// The cluster as far as the choice of nodes goes.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// The cluster.
    pub snapshot: &'a Snapshot,
    /// The data center where requests should stay.
    pub data_center: &'a str,
    /// Nodes whose shards are dialled elsewhere than they advertise.
    pub shard_ports: &'a BTreeMap<NodeId, ShardPort>,
}

/// Which nodes are preferred among equals.
#[derive(Clone, Debug, Default)]
pub struct NodeChoice {
    /// Our own rack.
    pub rack: Option<String>,
    /// Nodes of each other data center that are used at most.
    pub remote_nodes_max: usize,
    /// A random number, so that proxies do not all choose the same nodes.
    pub seed: u64,
}

impl NodeChoice {
    /// Nodes of the local data center that store data, the preferred ones first.
    #[must_use]
    pub fn local_targets(&self, candidates: Candidates<'_>) -> Vec<NodeTarget> {
        let nodes = candidates.snapshot.nodes().iter();
        let local =
            nodes.filter(|node| node.stores_data() && *node.data_center == *candidates.data_center);
        let mut local: Vec<&Arc<Node>> = local.collect();
        self.order(&mut local);
        local.into_iter().map(|node| candidates.target(node)).collect()
    }

    /// Nodes of other data centers that stand in for the local one, so many of each.
    #[must_use]
    pub fn remote_targets(&self, candidates: Candidates<'_>) -> Vec<NodeTarget> {
        let mut centers: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        let nodes = candidates.snapshot.nodes().iter();
        for node in nodes.filter(|node| node.stores_data()) {
            if *node.data_center != *candidates.data_center {
                centers.entry(&*node.data_center).or_default().push(node);
            }
        }
        let mut targets = Vec::new();
        for nodes in centers.into_values() {
            let len = u64::try_from(nodes.len()).unwrap_or(u64::MAX);
            let skipped = usize::try_from(self.seed.checked_rem(len).unwrap_or(0)).unwrap_or(0);
            let count = self.remote_nodes_max.min(nodes.len());
            let chosen = nodes.iter().cycle().skip(skipped).take(count);
            targets.extend(chosen.map(|node| candidates.target(node)));
        }
        targets
    }

    /// Puts nodes of our own rack first. Else chance decides: of two nodes the same comes first
    /// however many others come and go.
    pub fn order(&self, nodes: &mut [&Arc<Node>]) {
        nodes.sort_by_cached_key(|node| {
            let is_elsewhere = self.rack.as_deref().is_some_and(|rack| *rack != *node.rack);
            let mut drawn = self.seed.to_be_bytes().to_vec();
            drawn.extend_from_slice(&node.host.0);
            (is_elsewhere, Partitioner::Murmur3.token(&drawn).value())
        });
    }
}

impl Candidates<'_> {
    fn target(&self, node: &Node) -> NodeTarget {
        NodeTarget {
            node: node.id,
            host: Some(node.host),
            address: SocketAddr::new(node.address, node.port),
            shard_port: self.shard_ports.get(&node.id).copied().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::topology::id::{HostId, NodeId};

    fn nodes(count: u8) -> Vec<Arc<Node>> {
        let node = |number: u8| Node {
            id: NodeId(number.into()),
            host: HostId([number; 16]),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 9042,
            data_center: "dc1".into(),
            rack: format!("r{}", number % 3).into(),
            tokens: Vec::new(),
        };
        (0..count).map(|number| Arc::new(node(number))).collect()
    }

    fn ordered(choice: &NodeChoice, nodes: &[Arc<Node>]) -> Vec<u16> {
        let mut order: Vec<&Arc<Node>> = nodes.iter().collect();
        choice.order(&mut order);
        order.iter().map(|node| node.id.0).collect()
    }

    #[test]
    fn our_own_rack_comes_first_and_chance_decides_the_rest() {
        let all = nodes(9);
        let rack = Some("r1".to_owned());
        let orders: BTreeSet<Vec<u16>> = (0..20)
            .map(|seed| {
                ordered(&NodeChoice { rack: rack.clone(), seed, ..NodeChoice::default() }, &all)
            })
            .collect();
        assert!(orders.len() > 15, "proxies choose alike: {orders:?}");
        for order in &orders {
            let own: BTreeSet<u16> = order.iter().take(3).copied().collect();
            assert_eq!(own, BTreeSet::from([1, 4, 7]), "{order:?}");
        }
    }

    #[test]
    fn each_node_is_chosen_by_its_share_of_proxies() {
        let all = nodes(10);
        let mut chosen = [0; 10];
        for seed in 0..1_000 {
            for node in ordered(&NodeChoice { seed, ..NodeChoice::default() }, &all).iter().take(2)
            {
                chosen[usize::from(*node)] += 1;
            }
        }
        assert!(chosen.iter().all(|count| (150..250).contains(count)), "{chosen:?}");
    }

    #[test]
    fn a_node_that_comes_or_goes_changes_nothing_between_the_others() {
        let (few, more) = (nodes(6), nodes(8));
        let choice = NodeChoice { seed: 5, ..NodeChoice::default() };
        let mut with = ordered(&choice, &more);
        with.retain(|node| *node < 6);
        assert_eq!(with, ordered(&choice, &few));
    }
}
