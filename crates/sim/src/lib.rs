//! A simulated ScyllaDB cluster: nodes, shards, tablets, CQL and sockets in one process.
#![doc = include_str!("../README.md")]

mod cluster; // nodes, tablets, ring, counters: the cluster as one value
mod cql; // the language: text → statements, literals → bytes
mod http; // the HTTP API
mod http_roles; // its part about roles
mod like; // which server is imitated
mod listen; // the cluster on real sockets
mod node; // one node's side of a connection: frames in, frames out
mod store; // one logical database: schema, rows, execution

pub use cluster::cluster::Cluster;
pub use cluster::connections::Mail;
pub use cluster::error::ClusterError;
pub use cluster::life::member::{Failure, Member, RackName, State, Strain};
pub use cluster::options::ClusterOptions;
pub use cluster::replicas::layout::{Located, is_system};
pub use cluster::replicas::tablets::{Replica, Tablet, Tablets};
pub use cluster::requests::{Arrivals, Requests};
pub use cluster::roles::{Permission, Role, Roles};
pub use cluster::seed::mix;
pub use like::Like;
pub use listen::error::SimError;
pub use listen::handle::SimHandle;
pub use listen::options::SimOptions;
pub use listen::serve::{Started, serve};
pub use listen::tls::SimTls;
pub use node::connection::ConnectionId;
pub use node::connection::PortKind;
pub use node::frames::receive::Received;
pub use node::messages::auth::answer_to;
pub use store::definitions::schema::{Keyspace, Schema};
