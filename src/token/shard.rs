//! A shard of a node: its number.

/// A shard of a node, `0..nr_shards`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ShardId(pub u16);
