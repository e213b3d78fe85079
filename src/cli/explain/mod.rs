//! `shardlane explain`: where a row lives.

pub(crate) mod explanation; // what was found out, for people and for programs
pub(crate) mod key; // values as people write them, as the cells that are hashed
pub(crate) mod report; // the command
pub(crate) mod statement; // a whole statement, as the proxy reads it
pub(crate) mod tables; // the table's key, and its tablets, as the cluster's own tables name them
