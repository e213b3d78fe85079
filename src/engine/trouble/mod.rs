//! What goes wrong, and what is done about it.

pub mod expire;
pub mod heartbeat;
pub mod lost;
pub mod refused;
pub mod retry_budget;
pub mod speculate;
pub mod stall;
