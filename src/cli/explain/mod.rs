//! `shardlane explain`: where a row lives.

pub mod key; // values as people write them, as the cells that are hashed
pub mod report; // the command
pub mod tables; // the table's key, and its tablets, as the cluster's own tables name them
