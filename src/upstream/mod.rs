//! One connection to one shard.
pub mod stream_ids;
