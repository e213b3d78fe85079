//! The cluster as one immutable picture: nodes, ring, tablets.

pub mod id;
pub mod node;
pub(crate) mod node_numbers;
pub mod replication;
pub mod ring;
pub mod snapshot;
pub mod table;
pub mod table_key;
pub mod tablet;
pub mod tablet_map;
pub mod tablet_page;
