//! The simulated cluster as one value: members, tablets, ring, schema lag, counters.

pub mod administration; // stop, start, kill, reshard, move, split, merge
pub mod client_routes; // where nodes are behind private endpoints
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod cluster; // everything together
pub mod connections; // clients' connections, and what waits for them
pub mod consistency; // how many replicas must answer
pub mod error; // refusals of administration
pub mod growth; // nodes come and go
pub mod layout; // where the rows of every table lie
pub mod member; // one node's state
pub mod options; // what a cluster is made of
pub mod placement; // where tablets go
pub mod replication; // what a keyspace asks for
pub mod requests; // counters by table
pub mod ring; // vnodes
pub mod roles; // who may log in, and what each may do
pub mod schema_lag; // when each node hears of a change
pub mod seed; // numbers that look random and never change
pub mod statements; // prepared statements
pub mod system_rows; // what a node's own tables say
pub mod tablets; // tablets of one table
pub mod timeline; // what is due later
