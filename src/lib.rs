//! shardlane: every CQL request on the ScyllaDB shard that owns its row.
//!
//! The folders, ground floor first; each imports only from floors below its own.

pub mod flow; // bounds, and what waits

pub mod session; // one client connection: phases and local answers
pub mod topology; // nodes, ring and tablets as one immutable picture

pub mod routing; // where a request goes, and why
pub mod upstream; // one connection to one shard

pub mod engine; // sessions on one side, lanes on the other

pub mod net; // sockets, runtimes, the clock
pub mod telemetry; // numbers and logs

pub mod admin; // the operator's pages
pub mod control; // one watching connection → topology snapshots

pub mod config; // file → overrides → settings
pub mod server; // put together, start, drain

pub mod cli; // words for people
