//! Partition key → token → shard: arithmetic only.

pub mod shard;
