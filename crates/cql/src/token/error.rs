//! What can be wrong with a key or with a node's sharding.

use thiserror::Error;

/// Why there is no token, or no shard.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TokenError {
    /// The statement has no partition key at all.
    #[error("a partition key has at least one component")]
    KeyEmpty,
    /// The server refuses longer keys, so no shard owns such a row.
    #[error("partition key of {len} bytes is longer than 65535")]
    KeyTooLong {
        /// Bytes of the key, the lengths of a composite's components included.
        len: usize,
    },
    /// A node says that it has no shards.
    #[error("number of shards is 0")]
    NoShards,
    /// A node says that it ignores more bits than a token has.
    #[error("{ignore_msb} ignored bits leave nothing of a token")]
    IgnoredBits {
        /// The value of `SCYLLA_SHARDING_IGNORE_MSB`.
        ignore_msb: u8,
    },
}
