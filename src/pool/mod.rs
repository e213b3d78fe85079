//! Which lanes a pool should have, and when each is dialled: decisions only, without a socket or a clock.

pub mod backoff; // how long to wait after a failure
pub mod credential; // what a lane proves its rights with
pub mod credential_book; // every credential that has lanes
pub mod dial_schedule; // when to dial which lane
pub mod failover; // which nodes get lanes
pub mod lane_slots; // which lanes one node should have, and which it has
pub mod node_choice; // which nodes come first where not all are used
pub mod node_target; // where a node is dialled
pub mod pool_key; // what the lanes of a pool have in common
