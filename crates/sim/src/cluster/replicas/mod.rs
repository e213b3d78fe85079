//! Replicas of rows: ring, tablets, placement.

pub(crate) mod consistency; // how many replicas must answer
pub(crate) mod layout; // tablets or ring of each table
pub(crate) mod placement; // placement of tablets
pub(crate) mod replication; // replication of a keyspace
pub(crate) mod ring; // vnodes
pub(crate) mod tablets; // tablets of one table
