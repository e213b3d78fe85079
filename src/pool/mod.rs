//! Which connections a worker's pools have: decisions only, without a socket or a clock.

pub mod action; // what is to be done outside
pub mod connection; // what came of dialling a node
mod failures; // what a try that failed means
pub mod login; // whose rights lanes have, and what the cluster is asked about that
mod login_ends; // what a granted or refused login does
pub mod nodes; // which nodes get lanes, and what is known of each
mod open_pools; // pools that open and close
pub mod pool_key; // what the lanes of a pool have in common
pub mod pool_manager; // all pools of one worker
pub mod refill; // the lanes of one node and pool: which there should be, and when each is dialled
mod targets; // which nodes the pools follow
pub mod worker_events; // what a worker reports, which may find no room
