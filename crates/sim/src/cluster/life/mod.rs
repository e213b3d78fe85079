//! Changes of nodes, and things that are due later.

pub(crate) mod administration; // stop, start, kill, reshard, move, split, merge
pub(crate) mod growth; // nodes join and leave
pub(crate) mod member; // one node's state
pub(crate) mod route_changes; // routes of clients behind private endpoints
pub(crate) mod schema_lag; // schema changes not seen by all nodes
pub(crate) mod timeline; // things that are due later
