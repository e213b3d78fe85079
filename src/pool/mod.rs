//! Which connections a worker's pools have: decisions only, without a socket or a clock.

pub mod action; // what is to be done outside
pub mod backoff; // how long to wait after a failure
pub mod connection; // what came of dialling a node
pub mod credential; // what a lane proves its rights with
pub mod credential_book; // every credential that has lanes
pub mod dial_schedule; // when to dial which lane
pub mod failover; // which nodes get lanes
mod failures; // what a try that failed means
pub mod handshake_turns; // whose turn it is to shake hands with a node
pub mod lane_slots; // which lanes one node should have, and which it has
mod login_ends; // what a granted or refused login does
mod login_queue; // logins that wait for their turn
pub mod logins; // clients' logins on their way to the cluster
pub mod node_choice; // which nodes come first where not all are used
pub mod node_state; // what all that dial a node share about it
pub mod node_target; // where a node is dialled
mod nodes_to_ask; // whom logins are asked of
mod open_pools; // pools that open and close
pub mod pool_key; // what the lanes of a pool have in common
pub mod pool_manager; // all pools of one worker
mod rechecks; // whether credentials that have lanes are still taken
pub mod refiller; // the lanes of one node and pool
mod targets;
pub mod worker_events; // what a worker reports, which may find no room // which nodes the pools follow
