//! A tablet: a range of one table's tokens, and who stores it.

use std::fmt;
use std::slice;

use crate::token::shard::ShardId;
use crate::topology::id::NodeId;

/// Replicas that fit without an allocation: two data centers with three copies each, and one more
/// for free, because the box of a longer list takes the same room.
const INLINE: usize = 7;

/// A node and the shard of it that stores a token.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Replica {
    /// The node.
    pub node: NodeId,
    /// Its shard.
    pub shard: ShardId,
}

/// The replicas of a tablet in the order in which the server lists them. The order matters for
/// lightweight transactions: all proxies should contend at the same first replica.
#[derive(Clone)]
pub struct Replicas(List);

#[derive(Clone)]
enum List {
    Inline { len: u8, slots: [Replica; INLINE] },
    Spilled(Box<[Replica]>),
}

/// A range of tokens of one table with its replicas, as a node describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tablet {
    /// The token before its first one: exclusive. `i64::MIN` for a table's first tablet.
    pub first: i64,
    /// Its last token: inclusive. `i64::MAX` for a table's last tablet.
    pub last: i64,
    /// Who stores it.
    pub replicas: Replicas,
}

impl Replicas {
    /// Shows them in the server's order.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[Replica] {
        match &self.0 {
            List::Inline { len, slots } => slots.get(..usize::from(*len)).unwrap_or_default(),
            List::Spilled(list) => list,
        }
    }

    /// Goes through them in the server's order.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, Replica> {
        self.as_slice().iter()
    }

    /// Tells whether `node` is one of them.
    #[must_use]
    pub fn names(&self, node: NodeId) -> bool {
        self.iter().any(|replica| replica.node == node)
    }

    /// Counts the bytes outside of the struct itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            List::Inline { .. } => 0,
            List::Spilled(list) => size_of_val::<[Replica]>(list),
        }
    }
}

impl FromIterator<Replica> for Replicas {
    fn from_iter<I: IntoIterator<Item = Replica>>(replicas: I) -> Self {
        let mut replicas = replicas.into_iter();
        let nobody = Replica { node: NodeId(0), shard: ShardId(0) };
        let mut slots = [nobody; INLINE];
        let mut len = 0;
        for (slot, replica) in slots.iter_mut().zip(&mut replicas) {
            *slot = replica;
            len += 1;
        }
        // `zip` asks for a slot first, so that no replica is lost when the slots end.
        match replicas.next() {
            None => Self(List::Inline { len, slots }),
            Some(more) => {
                Self(List::Spilled(slots.into_iter().chain([more]).chain(replicas).collect()))
            }
        }
    }
}

impl<'a> IntoIterator for &'a Replicas {
    type Item = &'a Replica;
    type IntoIter = slice::Iter<'a, Replica>;

    fn into_iter(self) -> slice::Iter<'a, Replica> {
        self.iter()
    }
}

impl PartialEq for Replicas {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Replicas {}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.iter().map(|replica| (replica.node.0, replica.shard.0));
        f.debug_list().entries(pairs).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_keep_their_number_and_order_whether_they_fit_or_not() {
        for count in 0..20 {
            let listed: Vec<Replica> = (0..count).rev().map(replica).collect();
            let replicas: Replicas = listed.iter().copied().collect();
            assert_eq!(replicas.as_slice(), listed);
            assert_eq!(replicas.heap_bytes() > 0, listed.len() > INLINE);
        }
    }

    #[test]
    fn replicas_are_equal_if_their_order_is() {
        let of = |nodes: [u16; 2]| nodes.into_iter().map(replica).collect::<Replicas>();
        assert_eq!(of([1, 2]), of([1, 2]));
        assert_ne!(of([1, 2]), of([2, 1]));
        assert!(of([1, 2]).names(NodeId(2)));
        assert!(!of([1, 2]).names(NodeId(3)));
    }

    #[test]
    fn a_tablet_is_small() {
        assert_eq!(size_of::<Replicas>(), 32);
    }

    fn replica(number: u16) -> Replica {
        Replica { node: NodeId(number), shard: ShardId(number + 1) }
    }
}
