//! What happens to nodes, and when.

pub mod administration; // stop, start, kill, reshard, move, split, merge
pub mod growth; // nodes come and go
pub mod member; // one node's state
pub mod schema_lag; // when each node hears of a change
pub mod timeline; // what is due later
