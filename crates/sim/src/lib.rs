//! A simulated ScyllaDB cluster, for the demo, the tests and anybody's drivers.

pub mod cluster; // nodes, tablets, ring, counters: the cluster as one value
pub mod cql; // the language: text → statements, literals → bytes
pub mod http; // the page of control
mod http_roles; // its part about roles
pub mod like; // which server is imitated
pub mod listen; // the cluster on real sockets
pub mod node; // one node's side of a connection: frames in, frames out
pub mod store; // one logical database: schema, rows, execution
