//! Which nodes and shards have which rows.

pub mod consistency; // how many replicas must answer
pub mod layout; // where the rows of every table lie
pub mod placement; // where tablets go
pub mod replication; // what a keyspace asks for
pub mod ring; // vnodes
pub mod tablets; // tablets of one table
