//! `shardlane doctor`: whether `run` would work well here, and what to mend if not.

pub mod cluster; // what the watched node shows of the cluster: version, roles, keyspaces
pub mod finding; // one line each, with its hint
pub mod nodes; // each node of the data center, shard by shard
pub mod points; // each contact point
pub mod report; // the command
