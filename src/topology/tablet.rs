//! A tablet: a range of one table's tokens, and who stores it.

use std::fmt;

use crate::topology::id::NodeId;
use cql::token::shard::ShardId;

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

/// Replicas as they are kept, see [`Replica::pack`].
#[derive(Clone)]
enum List {
    Inline { len: u8, slots: [[u8; 4]; INLINE] },
    Spilled(Box<[[u8; 4]]>),
}

/// The replicas of a tablet where they lie, in the server's order.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct ReplicaList<'a>(&'a [[u8; 4]]);

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

impl Replica {
    /// Makes four bytes of it: never all zeros, but for the very last node's very last shard.
    #[inline]
    #[must_use]
    pub fn pack(self) -> [u8; 4] {
        let number = (u32::from(self.node.0) << 16) | u32::from(self.shard.0);
        number.wrapping_add(1).to_ne_bytes()
    }

    /// What [`Replica::pack`] made four bytes of.
    #[inline]
    #[must_use]
    pub fn unpack(packed: [u8; 4]) -> Self {
        let [a, b, c, d] = u32::from_ne_bytes(packed).wrapping_sub(1).to_be_bytes();
        let (node, shard) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Self { node: NodeId(node), shard: ShardId(shard) }
    }
}

impl<'a> ReplicaList<'a> {
    /// Replicas that [`Replica::pack`] packed.
    #[inline]
    #[must_use]
    pub const fn of_packed(packed: &'a [[u8; 4]]) -> Self {
        Self(packed)
    }

    /// The bytes that they are kept as.
    #[inline]
    #[must_use]
    pub const fn packed(self) -> &'a [[u8; 4]] {
        self.0
    }

    /// Goes through them in the server's order.
    #[inline]
    pub fn iter(self) -> impl ExactSizeIterator<Item = Replica> + Clone + 'a {
        self.0.iter().map(|packed| Replica::unpack(*packed))
    }

    /// Counts them.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether `node` is one of them.
    #[must_use]
    pub fn names(self, node: NodeId) -> bool {
        self.iter().any(|replica| replica.node == node)
    }
}

impl Replicas {
    /// Shows them in the server's order.
    #[inline]
    #[must_use]
    pub fn list(&self) -> ReplicaList<'_> {
        ReplicaList(match &self.0 {
            List::Inline { len, slots } => slots.get(..usize::from(*len)).unwrap_or_default(),
            List::Spilled(list) => list,
        })
    }

    /// Counts the bytes outside of the struct itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            List::Inline { .. } => 0,
            List::Spilled(list) => size_of_val::<[[u8; 4]]>(list),
        }
    }
}

impl FromIterator<Replica> for Replicas {
    fn from_iter<I: IntoIterator<Item = Replica>>(replicas: I) -> Self {
        let mut replicas = replicas.into_iter().map(Replica::pack);
        let mut slots = [[0; 4]; INLINE];
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

impl PartialEq for Replicas {
    fn eq(&self, other: &Self) -> bool {
        self.list() == other.list()
    }
}

impl Eq for Replicas {}

impl fmt::Debug for ReplicaList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.iter().map(|replica| (replica.node.0, replica.shard.0));
        f.debug_list().entries(pairs).finish()
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list().fmt(f)
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
            assert_eq!(replicas.list().iter().collect::<Vec<_>>(), listed);
            assert_eq!(replicas.heap_bytes() > 0, listed.len() > INLINE);
        }
    }

    #[test]
    fn replicas_are_equal_if_their_order_is() {
        let of = |nodes: [u16; 2]| nodes.into_iter().map(replica).collect::<Replicas>();
        assert_eq!(of([1, 2]), of([1, 2]));
        assert_ne!(of([1, 2]), of([2, 1]));
        assert!(of([1, 2]).list().names(NodeId(2)));
        assert!(!of([1, 2]).list().names(NodeId(3)));
    }

    #[test]
    fn a_replica_comes_back_from_the_bytes_that_it_is_kept_as() {
        for (node, shard) in [(0, 0), (0, u16::MAX), (1, 0), (u16::MAX, 0), (u16::MAX, u16::MAX)] {
            let replica = Replica { node: NodeId(node), shard: ShardId(shard) };
            assert_eq!(Replica::unpack(replica.pack()), replica);
            assert_eq!(replica.pack() == [0; 4], node == u16::MAX && shard == u16::MAX);
        }
    }

    #[test]
    fn a_tablet_is_small() {
        assert_eq!(size_of::<Replicas>(), 32);
    }

    fn replica(number: u16) -> Replica {
        Replica { node: NodeId(number), shard: ShardId(number + 1) }
    }
}
