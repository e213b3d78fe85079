//! A shard of a node, and the shard of a token on a node.
//!
//! The formula holds for tables without tablets. A tablet names the shards of its replicas itself.

use std::num::NonZeroU16;

use crate::token::error::TokenError;
use crate::token::token::Token;

/// A shard of a node, `0..nr_shards`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ShardId(pub u16);

/// How one node divides the ring among its shards ("biased-token-round-robin"). Both numbers come
/// from SUPPORTED and may change when the node restarts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sharder {
    nr_shards: NonZeroU16,
    ignore_msb: u8,
}

impl Sharder {
    /// Takes `SCYLLA_NR_SHARDS` and `SCYLLA_SHARDING_IGNORE_MSB` of a node.
    pub fn new(nr_shards: u16, ignore_msb: u8) -> Result<Self, TokenError> {
        let nr_shards = NonZeroU16::new(nr_shards).ok_or(TokenError::NoShards)?;
        if u32::from(ignore_msb) >= u64::BITS {
            return Err(TokenError::IgnoredBits { ignore_msb });
        }
        Ok(Self { nr_shards, ignore_msb })
    }

    /// Counts the node's shards.
    #[inline]
    #[must_use]
    pub const fn nr_shards(self) -> NonZeroU16 {
        self.nr_shards
    }

    /// Finds the shard that owns `token`: the biased token, without its most significant bits, as
    /// a fraction of the number of shards (protocol-extensions.md of `ScyllaDB`).
    #[inline]
    #[must_use]
    pub fn shard_of(self, token: Token) -> ShardId {
        let biased = token.value().cast_unsigned() ^ (1 << 63);
        let fraction = u128::from(biased << self.ignore_msb);
        let shard = (fraction * u128::from(self.nr_shards.get())) >> 64;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "fraction < 2^64, so it is < nr_shards"
        )]
        ShardId(shard as u16)
    }
}

#[cfg(test)]
mod tests;
