//! Which nodes and shards have which rows.

pub(crate) mod consistency; // how many replicas must answer
pub(crate) mod layout; // where the rows of every table lie
pub(crate) mod placement; // where tablets go
pub(crate) mod replication; // what a keyspace asks for
pub(crate) mod ring; // vnodes
pub(crate) mod tablets; // tablets of one table
