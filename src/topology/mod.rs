//! The cluster as one immutable picture: nodes, ring, tablets.

pub mod id;
