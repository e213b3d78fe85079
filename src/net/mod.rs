//! Sockets, runtimes and the clock around the engine.

pub mod clock;
pub mod command;
pub mod doorway;
pub mod failover;
mod housekeeping;
pub mod lanes;
pub mod listener;
pub mod logins;
pub mod poller;
pub mod reactor;
pub mod ready_list;
pub mod slot_table;
pub mod socket;
pub mod tls;
pub mod transport;
pub mod unix_listener;
pub mod welcome;
pub mod worker;
