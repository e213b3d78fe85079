//! Partition key → token → shard: arithmetic only.

pub mod error;
pub mod murmur3;
pub mod partition_key;
pub mod partitioner;
pub mod shard;
pub mod source_port;
pub mod token;
