//! `shardlane explain`: where a row lives.

pub mod explanation; // what was found out, for people and for programs
pub mod key; // values as people write them, as the cells that are hashed
pub mod report; // the command
pub mod statement; // a whole statement, as the proxy reads it
pub mod tables; // the table's key, and its tablets, as the cluster's own tables name them
