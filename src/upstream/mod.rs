//! One connection to one shard.

pub mod fleet;
pub mod lane;
pub mod stream_ids;
