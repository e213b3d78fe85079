//! Which nodes get lanes, and what is known of each.

pub mod failover; // which nodes get lanes
pub mod node_choice; // which nodes come first where not all are used
pub mod node_state; // what all that dial a node share about it
pub mod node_target; // where a node is dialled
