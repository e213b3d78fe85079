//! The ring of a keyspace without tablets: token → replicas, worked out in advance.
//!
//! A token belongs to the first ring token that is not smaller, the last range wrapping round. From
//! there the ring is walked: each data center takes nodes it has not got yet, a second one of a rack
//! only as often as its factor exceeds its racks, until its copies are complete
//! (`NetworkTopologyStrategy` of Cassandra 3 and later, and of `ScyllaDB`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::topology::id::NodeId;
use crate::topology::node::Node;
use crate::topology::replication::Copies;
use crate::topology::replication::Replication;
use cql::token::token::Token;

/// The replicas of every token, for one replication. Keyspaces with the same replication share it.
#[derive(Debug, Default)]
pub struct RingReplicas {
    tokens: Vec<Token>,
    /// Where the replicas of each token end; those of the next one begin there.
    ends: Vec<usize>,
    replicas: Vec<NodeId>,
}

/// A ring token and the index of the member that has it.
type Seat = (Token, usize);

/// Where a node may take copies.
struct Place<'a> {
    /// The data center, and of a rack list the rack: who has the same share has one quota.
    share: (&'a str, &'a str),
    /// Copies that belong to the share.
    copies: usize,
    /// The node's rack. Where racks don't matter all nodes stand in one, which repeats.
    rack: &'a str,
}

type PlaceOf<'a> = dyn Fn(&'a Node) -> Option<Place<'a>> + 'a;

/// A node that stores data, as a walk sees it.
struct Member {
    node: NodeId,
    /// Which quota it counts for, if any.
    quota: Option<usize>,
    rack: usize,
}

/// How many nodes and racks a share has, and how many copies it should have.
struct Size {
    copies: usize,
    nodes: usize,
    racks: usize,
}

/// What a walk still has to find for one share.
#[derive(Clone, Copy)]
struct Quota {
    left: usize,
    /// How many more nodes may stand in a rack that has one already.
    repeats: usize,
}

impl RingReplicas {
    /// Works the replicas out. Nothing has replicas under an unknown or a local replication.
    #[must_use]
    pub fn new(nodes: &[Arc<Node>], replication: &Replication) -> Self {
        let nodes: Vec<&Node> = nodes.iter().map(Arc::as_ref).filter(|n| n.stores_data()).collect();
        match replication {
            Replication::Simple { factor } => {
                Self::walk(&nodes, &|_| Some(Place { share: ("", ""), copies: *factor, rack: "" }))
            }
            Replication::NetworkTopology { data_centers } => Self::walk(&nodes, &|node| {
                let (rack, data_center) = (&*node.rack, &*node.data_center);
                match data_centers.get(data_center)? {
                    Copies::Count(count) => {
                        Some(Place { share: (data_center, ""), copies: *count, rack })
                    }
                    Copies::Racks(racks) => racks.contains(rack).then_some(Place {
                        share: (data_center, rack),
                        copies: 1,
                        rack,
                    }),
                }
            }),
            Replication::Everywhere => Self::everywhere(&nodes),
            Replication::Local | Replication::Unknown => Self::default(),
        }
    }

    /// Finds the replicas of `token` in ring order, the primary one first. None if the ring has no
    /// nodes, or its keyspace no copies.
    #[inline]
    #[must_use]
    pub fn replicas(&self, token: Token) -> &[NodeId] {
        let at = self.index_of(token);
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(at).copied().unwrap_or_default();
        self.replicas.get(begin.unwrap_or_default()..end).unwrap_or_default()
    }

    /// Finds the range of a token: the ring token before it, and that at its end. `None` if the ring
    /// has no nodes.
    #[must_use]
    pub fn range(&self, token: Token) -> Option<(Token, Token)> {
        let at = self.index_of(token);
        // The first range wraps: it begins behind the last token.
        let before = at.checked_sub(1).unwrap_or(self.tokens.len().checked_sub(1)?);
        Some((*self.tokens.get(before)?, *self.tokens.get(at)?))
    }

    /// The place of the ring token that a token belongs to.
    #[inline]
    fn index_of(&self, token: Token) -> usize {
        let at = self.tokens.partition_point(|ring| *ring < token);
        if at == self.tokens.len() { 0 } else { at }
    }

    /// Whether no token has replicas.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// Estimates the heap it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.tokens.capacity() * size_of::<Token>()
            + self.ends.capacity() * size_of::<usize>()
            + self.replicas.capacity() * size_of::<NodeId>()
    }

    /// One token for all: every walk would find every node.
    fn everywhere(nodes: &[&Node]) -> Self {
        let mut replicas: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
        replicas.sort_unstable();
        Self { tokens: vec![Token::LAST], ends: vec![replicas.len()], replicas }
    }

    /// Walks the ring from each of its tokens, each walk until the quotas of `place_of` are filled.
    fn walk<'a>(nodes: &[&'a Node], place_of: &PlaceOf<'a>) -> Self {
        let seats = seats(nodes);
        let (members, quotas) = members(nodes, &seats, place_of);
        let mut ring = Self {
            tokens: seats.iter().map(|(token, _)| *token).collect(),
            ends: Vec::with_capacity(seats.len()),
            replicas: Vec::new(),
        };
        let mut racks_seen = vec![false; members.len()];
        for start in 0..seats.len() {
            let (before, from) = seats.split_at(start);
            racks_seen.fill(false);
            let walk = from.iter().chain(before).filter_map(|(_, index)| members.get(*index));
            ring.add_walk(walk, &quotas, &mut racks_seen);
            ring.ends.push(ring.replicas.len());
        }
        ring.replicas.shrink_to_fit();
        ring
    }

    fn add_walk<'a>(
        &mut self,
        walk: impl Iterator<Item = &'a Member>,
        quotas: &[Quota],
        racks_seen: &mut [bool],
    ) {
        let begin = self.replicas.len();
        let mut quotas = quotas.to_vec();
        let mut missing: usize = quotas.iter().map(|quota| quota.left).sum();
        for member in walk {
            if missing == 0 {
                break;
            }
            let Some(quota) = member.quota.and_then(|index| quotas.get_mut(index)) else {
                continue;
            };
            let Some(rack_seen) = racks_seen.get_mut(member.rack) else { continue };
            let found = self.replicas.get(begin..).unwrap_or_default();
            let full = quota.left == 0 || (*rack_seen && quota.repeats == 0);
            if full || found.contains(&member.node) {
                continue;
            }
            quota.repeats -= usize::from(*rack_seen);
            quota.left -= 1;
            missing -= 1;
            *rack_seen = true;
            self.replicas.push(member.node);
        }
    }
}

/// Numbers the shares and racks, and counts what a walk can find for each share.
fn members<'a>(
    nodes: &[&'a Node],
    seats: &[Seat],
    place_of: &PlaceOf<'a>,
) -> (Vec<Member>, Vec<Quota>) {
    let seated: BTreeSet<usize> = seats.iter().map(|(_, index)| *index).collect();
    let mut quota_indexes = BTreeMap::new();
    let mut rack_indexes = BTreeMap::new();
    let mut sizes: Vec<Size> = Vec::new();
    let mut members = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let place = place_of(node).filter(|_| seated.contains(&index));
        let Some(Place { share, copies, rack }) = place else {
            members.push(Member { node: node.id, quota: None, rack: 0 });
            continue;
        };
        let quota = *quota_indexes.entry(share).or_insert(sizes.len());
        if quota == sizes.len() {
            sizes.push(Size { copies, nodes: 0, racks: 0 });
        }
        let new_rack = rack_indexes.len();
        let rack = *rack_indexes.entry((quota, rack)).or_insert(new_rack);
        if let Some(size) = sizes.get_mut(quota) {
            size.nodes += 1;
            size.racks += usize::from(rack == new_rack);
        }
        members.push(Member { node: node.id, quota: Some(quota), rack });
    }
    let quota = |size: Size| Quota {
        left: size.copies.min(size.nodes),
        repeats: size.copies.saturating_sub(size.racks),
    };
    (members, sizes.into_iter().map(quota).collect())
}

/// The ring in order. While a node replaces another both may show a token: the first keeps it.
fn seats(nodes: &[&Node]) -> Vec<Seat> {
    let mut seats: Vec<Seat> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        seats.extend(node.tokens.iter().map(|token| (*token, index)));
    }
    seats.sort_unstable();
    seats.dedup_by_key(|(token, _)| *token);
    seats
}

#[cfg(test)]
mod tests;
