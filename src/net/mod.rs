//! Sockets, runtimes and the clock around the engine.

pub mod backoff;
pub mod clock;
pub mod command;
pub mod credential;
pub mod dial;
pub mod dial_error;
pub mod dial_stats;
pub mod exchange;
pub mod extensions;
#[cfg(test)]
mod fake_node;
pub mod handshake;
pub mod handshake_budget;
mod housekeeping;
pub mod lane_desk;
pub mod lane_keeper;
pub mod lane_plan;
pub mod lane_set;
pub mod listener;
pub mod reactor;
pub mod ready_list;
pub mod slot_table;
pub mod socket;
pub mod worker;
