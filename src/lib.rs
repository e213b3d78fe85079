//! shardlane: every CQL request on the ScyllaDB shard that owns its row.
//!
//! The folders, lowest layer first; each imports only from layers below its own. Frames, notations and tokens are a
//! crate of their own, `shardlane-cql`.

pub mod collections; // data structures of the data path
pub(crate) mod inject; // sidecars put into objects of Kubernetes

pub mod session; // one client connection: its phases and its login
pub mod topology; // nodes, ring and tablets as one immutable picture

pub mod facade; // the one node that clients see

pub mod routing; // where a request goes, and why
pub mod upstream; // one connection to one shard

pub mod state; // what a process has learned, as bytes: for the one after it

pub mod engine; // sessions, lanes, and what routes between them

pub mod pool; // which lanes there should be, and when each is dialled

pub mod platform; // the clock, files
pub mod telemetry; // numbers and logs

pub mod sockets; // sockets of a worker, and when they are ready
pub mod tls; // certificates

pub mod connect; // opens one connection to a node

pub mod listen; // accepts clients

pub(crate) mod admin; // the operator's pages
pub mod control; // one watching connection → topology snapshots
pub(crate) mod webhook; // sidecars for new pods, asked for by the API server
pub mod worker; // one thread: sockets, engine, pools

pub mod config; // file, environment, flags → settings
pub mod server; // put together, start, drain

pub mod cli; // words for people
