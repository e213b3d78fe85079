//! The ring of vnodes, for tables without tablets.

use crate::cluster::life::member::Member;
use crate::cluster::replicas::replication::Replication;
use crate::cluster::replicas::tablets::Replica;

/// Tokens of all nodes, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    tokens: Vec<(i64, usize)>,
}

impl Ring {
    /// The ring of those members that belong to the cluster.
    #[must_use]
    pub(crate) fn new(members: &[Member]) -> Self {
        let present = members.iter().enumerate().filter(|(_, member)| member.belongs());
        let mut tokens: Vec<(i64, usize)> = present
            .flat_map(|(node, member)| member.tokens.iter().map(move |token| (*token, node)))
            .collect();
        tokens.sort_unstable();
        Self { tokens }
    }

    /// Replicas of a token: the next nodes on the ring from the first token that is not smaller, as
    /// many as the keyspace wants. In each data center, new racks come first.
    #[must_use]
    pub(crate) fn replicas(
        &self,
        token: i64,
        replication: &Replication,
        members: &[Member],
    ) -> Vec<Replica> {
        let walk = self.walk(token, members.len());
        let mut chosen: Vec<usize> = Vec::new();
        for (center, factor) in replication.groups(members) {
            chosen.extend(choose(&walk, members, center.as_deref(), factor));
        }
        // Ring order across data centers, as drivers compute it.
        let in_order = walk.iter().filter(|node| chosen.contains(node));
        let member = |node: usize| members.get(node);
        let shard = |node| member(node).map_or(0, |member| member.shard_of(token).0);
        in_order.map(|node| (*node, shard(*node))).collect()
    }

    /// Every node once, in the order of the ring from `token` on.
    fn walk(&self, token: i64, nodes: usize) -> Vec<usize> {
        let start = self.tokens.partition_point(|(first, _)| *first < token);
        let (before, after) = self.tokens.split_at_checked(start).unwrap_or_default();
        let mut walk = Vec::with_capacity(nodes);
        for (_, node) in after.iter().chain(before) {
            if !walk.contains(node) {
                walk.push(*node);
                if walk.len() == nodes {
                    break;
                }
            }
        }
        walk
    }
}

/// The first `factor` nodes of `center` on the walk. A second node of a rack is taken only when no
/// unused rack is left.
fn choose(walk: &[usize], members: &[Member], center: Option<&str>, factor: usize) -> Vec<usize> {
    let rack_of = |node: usize| members.get(node).map_or("", |member| member.rack.as_str());
    let here = |node: &&usize| {
        let member = members.get(**node);
        member.is_some_and(|member| center.is_none_or(|center| center == member.data_center))
    };
    let candidates: Vec<usize> = walk.iter().filter(here).copied().collect();
    if center.is_none() {
        return candidates.into_iter().take(factor).collect();
    }
    let mut racks: Vec<&str> = candidates.iter().map(|node| rack_of(*node)).collect();
    racks.sort_unstable();
    racks.dedup();
    let mut chosen: Vec<usize> = Vec::new();
    let mut skipped: Vec<usize> = Vec::new();
    let mut met: Vec<&str> = Vec::new();
    for node in candidates {
        if chosen.len() == factor {
            break;
        }
        let rack = rack_of(node);
        if met.contains(&rack) && met.len() < racks.len() {
            skipped.push(node);
            continue;
        }
        chosen.push(node);
        if !met.contains(&rack) {
            met.push(rack);
        }
        if met.len() == racks.len() {
            let room = factor.saturating_sub(chosen.len());
            chosen.extend(skipped.drain(..room.min(skipped.len())));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::cluster::life::member::RackName;

    fn member(rack: &str, tokens: &[i64]) -> Member {
        let rack = RackName::new("dc", rack);
        Member::new([0; 16], IpAddr::from([127, 0, 0, 1]), rack, tokens.to_vec(), 1)
    }

    fn nodes(token: i64, replication: &Replication, members: &[Member]) -> Vec<usize> {
        let replicas = Ring::new(members).replicas(token, replication, members);
        replicas.into_iter().map(|(node, _)| node).collect()
    }

    #[test]
    fn a_token_belongs_to_the_first_ring_token_that_is_not_smaller() {
        let members = [member("a", &[0]), member("a", &[100]), member("a", &[200])];
        let two = Replication::Simple(2);
        assert_eq!(nodes(0, &two, &members), [0, 1]);
        assert_eq!(nodes(1, &two, &members), [1, 2]);
        assert_eq!(nodes(201, &two, &members), [0, 1]);
    }

    #[test]
    fn replicas_are_in_different_racks_as_long_as_there_are_racks() {
        let members =
            [member("a", &[0]), member("a", &[100]), member("b", &[200]), member("b", &[300])];
        let in_dc = |factor| Replication::Network(vec![("dc".to_owned(), factor)], 0);
        assert_eq!(nodes(0, &in_dc(2), &members), [0, 2]);
        assert_eq!(nodes(0, &in_dc(3), &members), [0, 1, 2]);
        assert_eq!(nodes(150, &in_dc(3), &members), [2, 3, 0]);
    }
}
