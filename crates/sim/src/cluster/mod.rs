//! The simulated cluster as one value: members, tablets, ring, schema lag, counters.

pub(crate) mod client_routes; // addresses of nodes behind private endpoints
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod cluster; // everything together
pub(crate) mod connections; // connections of clients, and frames that wait for them
pub(crate) mod error; // errors of administrative operations
pub(crate) mod life; // starts, stops and other changes of nodes
pub(crate) mod options; // options of a cluster
pub(crate) mod replicas; // replicas of rows
pub(crate) mod requests; // counters by table
pub(crate) mod roles; // roles and grants
pub(crate) mod seed; // pseudo-random numbers
pub(crate) mod statements; // prepared statements
pub(crate) mod system_rows; // rows of virtual tables
pub(crate) mod trace_rows; // traces as rows of system_traces
pub(crate) mod traces; // traces of requests
