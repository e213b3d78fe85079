//! `shardlane doctor`: whether `run` would work well here, and what to mend if not.

pub(crate) mod cluster; // what the watched node shows of the cluster: version, roles, keyspaces
pub(crate) mod finding; // one line each, with its hint
pub(crate) mod nodes; // each node of the data center, shard by shard
pub(crate) mod points; // each contact point
pub(crate) mod report; // the command
