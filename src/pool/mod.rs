//! Which lanes a pool should have, and when each is dialled: decisions only, without a socket or a clock.

pub mod backoff; // how long to wait after a failure
pub mod dial_schedule; // when to dial which lane
pub mod failover; // which nodes get lanes
pub mod lane_slots; // which lanes one node should have, and which it has
pub mod node_choice; // which nodes come first where not all are used
pub mod node_target; // where a node is dialled
