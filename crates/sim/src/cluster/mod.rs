//! The simulated cluster as one value: members, tablets, ring, schema lag, counters.

pub(crate) mod client_routes; // where nodes are behind private endpoints
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod cluster; // everything together
pub(crate) mod connections; // clients' connections, and what waits for them
pub(crate) mod error; // refusals of administration
pub(crate) mod life; // what happens to nodes, and when
pub(crate) mod options; // what a cluster is made of
pub(crate) mod replicas; // which nodes and shards have which rows
pub(crate) mod requests; // counters by table
pub(crate) mod roles; // who may log in, and what each may do
pub(crate) mod seed; // numbers that look random and never change
pub(crate) mod statements; // prepared statements
pub(crate) mod system_rows; // what a node's own tables say
pub(crate) mod trace_rows; // traces as rows of system_traces
pub(crate) mod traces; // what happened to requests that asked for a trace
