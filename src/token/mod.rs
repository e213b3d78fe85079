//! Partition key → token → shard: arithmetic only.
