//! The simulated cluster as one value: members, tablets, ring, schema lag, counters.

pub mod client_routes; // where nodes are behind private endpoints
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod cluster; // everything together
pub mod connections; // clients' connections, and what waits for them
pub mod error; // refusals of administration
pub mod life; // what happens to nodes, and when
pub mod options; // what a cluster is made of
pub mod replicas; // which nodes and shards have which rows
pub mod requests; // counters by table
pub mod roles; // who may log in, and what each may do
pub mod seed; // numbers that look random and never change
pub mod statements; // prepared statements
pub mod system_rows; // what a node's own tables say
