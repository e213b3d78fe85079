//! One connection to one shard.

pub mod lane;

pub(crate) mod lane_map;

pub mod stream_ids;
