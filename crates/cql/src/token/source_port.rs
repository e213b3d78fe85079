//! Source ports that lead to one shard.
//!
//! The shard-aware listener gives a connection to shard `source port % nr_shards`. The
//! dialer tries these ports one after another until one can be bound: another socket may hold a
//! port, or the kernel keeps it in TIME_WAIT.

use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use crate::token::shard::ShardId;

/// The ports of a range that lead to one shard, each once, from any of them on and round.
#[derive(Clone, Debug)]
pub struct SourcePorts {
    first: u32,
    step: u32,
    count: u32,
    next: u32,
    left: u32,
}

impl SourcePorts {
    /// Takes the ports of `range` that lead to `shard` of a node with `nr_shards`. `start` picks
    /// the first one: different starts keep different lanes, and different processes, apart.
    ///
    /// Port 0 is left out, for to bind it means "any port". There are none at all if the node has
    /// no such shard, or the range no such port.
    #[must_use]
    pub fn new(
        range: RangeInclusive<u16>,
        shard: ShardId,
        nr_shards: NonZeroU16,
        start: u32,
    ) -> Self {
        let (low, high) = (u32::from(*range.start()).max(1), u32::from(*range.end()));
        let (shard, step) = (u32::from(shard.0), u32::from(nr_shards.get()));
        let first = low + (shard + step - low % step) % step;
        let count = if shard < step && first <= high { (high - first) / step + 1 } else { 0 };
        let next = start.checked_rem(count).unwrap_or(0);
        Self { first, step, count, next, left: count }
    }
}

impl Iterator for SourcePorts {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        let port = self.first + self.step * self.next;
        self.next = (self.next + 1) % self.count;
        u16::try_from(port).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::any;
    use proptest::prop_assert;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    use super::*;

    #[test]
    fn ports_start_where_asked_and_go_round() {
        assert_eq!(ports(10..=20, 1, 3, 0), [10, 13, 16, 19]);
        assert_eq!(ports(10..=20, 1, 3, 2), [16, 19, 10, 13]);
        assert_eq!(ports(10..=20, 1, 3, 7), [19, 10, 13, 16]);
    }

    #[test]
    fn the_last_port_of_the_range_is_used() {
        assert_eq!(ports(65_533..=65_535, 0, 3, 0), [65_535]);
        assert_eq!(ports(0..=u16::MAX, 65_534, u16::MAX, 0), [65_534]);
    }

    #[test]
    fn port_0_is_never_offered() {
        assert_eq!(ports(0..=4, 0, 2, 0), [2, 4]);
        assert!(ports(0..=0, 0, 1, 0).is_empty());
    }

    #[test]
    fn ports_of_a_shard_beyond_the_nodes_number_are_none() {
        assert!(ports(1..=100, 4, 4, 0).is_empty());
    }

    proptest! {
        #[test]
        fn every_port_of_the_shard_comes_exactly_once(
            low in any::<u16>(),
            len in 0_u16..2_000,
            shard in 0_u16..70,
            nr_shards in 1_u16..70,
            start in any::<u32>(),
        ) {
            let range = low..=low.saturating_add(len);
            let found = ports(range.clone(), shard, nr_shards, start);
            let leads = |port: &u16| *port != 0 && *port % nr_shards == shard;
            let expected: Vec<u16> = range.filter(leads).collect();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert!(found.into_iter().collect::<BTreeSet<_>>().into_iter().eq(expected));
        }
    }

    fn ports(range: RangeInclusive<u16>, shard: u16, nr_shards: u16, start: u32) -> Vec<u16> {
        let nr_shards = NonZeroU16::new(nr_shards).unwrap();
        SourcePorts::new(range, ShardId(shard), nr_shards, start).collect()
    }
}
