//! Partition key → token → shard: arithmetic only.

pub mod error;
mod murmur3;
pub mod partition_key;
pub mod partitioner;
pub mod shard;
pub mod source_port;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod token;
