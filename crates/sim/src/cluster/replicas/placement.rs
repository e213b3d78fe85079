//! Placement of tablets: evenly over nodes and shards, and in different racks if there are several.

use foldhash::HashMap;

use crate::cluster::life::member::Member;
use crate::cluster::replicas::replication::Replication;
use crate::cluster::replicas::tablets::{Replica, Tablet};
use crate::cluster::seed::mix;

/// How many tablets each shard of each node has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads {
    by_shard: HashMap<Replica, usize>,
    by_node: HashMap<usize, usize>,
    /// Breaks ties; counts up so that each tie is broken differently.
    chance: u64,
}

impl Loads {
    /// No tablets yet.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self { chance: seed, ..Self::default() }
    }

    /// Counts a replica.
    pub(crate) fn add(&mut self, replica: Replica) {
        *self.by_shard.entry(replica).or_default() += 1;
        *self.by_node.entry(replica.0).or_default() += 1;
    }

    /// Stops counting a replica.
    pub(crate) fn remove(&mut self, replica: Replica) {
        if let Some(load) = self.by_shard.get_mut(&replica) {
            *load = load.saturating_sub(1);
        }
        if let Some(load) = self.by_node.get_mut(&replica.0) {
            *load = load.saturating_sub(1);
        }
    }

    /// How many replicas a node has.
    #[must_use]
    pub(crate) fn of_node(&self, node: usize) -> usize {
        self.by_node.get(&node).copied().unwrap_or(0)
    }

    /// The highest shard of a node that has a tablet.
    #[must_use]
    pub(crate) fn highest_shard(&self, node: usize) -> Option<u16> {
        let used = self.by_shard.iter().filter(|((at, _), load)| *at == node && **load > 0);
        used.map(|((_, shard), _)| *shard).max()
    }

    /// The shard of `node` with the fewest tablets.
    pub(crate) fn shard_for(&mut self, node: usize, member: &Member) -> u16 {
        self.chance = self.chance.wrapping_add(1);
        let load = |shard| self.by_shard.get(&(node, shard)).copied().unwrap_or(0);
        let shards = 0..member.nr_shards();
        shards.min_by_key(|shard| (load(*shard), mix(self.chance, u64::from(*shard)))).unwrap_or(0)
    }

    /// Gives `tablet` as many replicas as `replication` wants, with as few changes as possible.
    pub(crate) fn fit(
        &mut self,
        tablet: &mut Tablet,
        replication: &Replication,
        members: &[Member],
    ) {
        let gone = |replica: &Replica| !members.get(replica.0).is_some_and(Member::belongs);
        let mut kept: Vec<Replica> = Vec::new();
        for (center, factor) in replication.groups(members) {
            let here = |node: usize| {
                let member = members.get(node);
                member.is_some_and(|it| center.as_ref().is_none_or(|name| *name == it.data_center))
            };
            let old = tablet.replicas.iter().filter(|replica| here(replica.0) && !gone(replica));
            let mut group: Vec<Replica> = old.copied().take(factor).collect();
            while group.len() < factor {
                let Some(replica) = self.next(&group, members, &here) else { break };
                self.add(replica);
                group.push(replica);
            }
            kept.extend(group);
        }
        for old in &tablet.replicas {
            if !kept.contains(old) {
                self.remove(*old);
            }
        }
        tablet.replicas = kept;
    }

    /// The best node for one more replica in `group`.
    fn next(
        &mut self,
        group: &[Replica],
        members: &[Member],
        here: &dyn Fn(usize) -> bool,
    ) -> Option<Replica> {
        self.chance = self.chance.wrapping_add(1);
        let chance = self.chance;
        let racks = |rack: &str| {
            let same =
                |replica: &&Replica| members.get(replica.0).is_some_and(|it| it.rack == rack);
            group.iter().filter(same).count()
        };
        let taken = |node: usize| group.iter().any(|replica| replica.0 == node);
        let candidates = members.iter().enumerate().filter(|(node, member)| {
            member.belongs() && member.answers() && here(*node) && !taken(*node)
        });
        let (node, member) = candidates.min_by_key(|(node, member)| {
            let tie = mix(chance, u64::try_from(*node).unwrap_or(0));
            (racks(&member.rack), self.of_node(*node), tie)
        })?;
        Some((node, self.shard_for(node, member)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::cluster::life::member::RackName;

    fn members(count: usize) -> Vec<Member> {
        let rack = || RackName::new("dc", "rack");
        let address = IpAddr::from([127, 0, 0, 1]);
        (0..count).map(|_| Member::new([0; 16], address, rack(), Vec::new(), 2)).collect()
    }

    fn empty() -> Tablet {
        Tablet::new(i64::MAX, Vec::new())
    }

    #[test]
    fn tablets_are_spread_evenly_over_nodes_and_shards() {
        let members = members(3);
        let mut loads = Loads::new(1);
        for _ in 0..12 {
            loads.fit(&mut empty(), &Replication::Simple(2), &members);
        }
        for node in 0..3 {
            assert_eq!(loads.of_node(node), 8);
            assert_eq!(loads.by_shard[&(node, 0)], 4);
        }
    }

    #[test]
    fn replicas_that_need_not_move_stay() {
        let mut members = members(3);
        let mut loads = Loads::new(1);
        let mut tablet = empty();
        loads.fit(&mut tablet, &Replication::Simple(2), &members);
        let (kept, lost) = (tablet.replicas[0], tablet.replicas[1]);
        members[lost.0].state = crate::cluster::life::member::State::Gone;
        loads.fit(&mut tablet, &Replication::Simple(2), &members);
        assert_eq!(tablet.replicas[0], kept);
        assert_eq!(tablet.replicas.len(), 2);
        assert_ne!(tablet.replicas[1].0, lost.0);
    }
}
