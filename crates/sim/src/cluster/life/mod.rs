//! What happens to nodes, and when.

pub(crate) mod administration; // stop, start, kill, reshard, move, split, merge
pub(crate) mod growth; // nodes come and go
pub(crate) mod member; // one node's state
pub(crate) mod schema_lag; // when each node hears of a change
pub(crate) mod timeline; // what is due later
