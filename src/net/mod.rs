//! Sockets, runtimes and the clock around the engine.

mod announcer;
pub mod bounded_file;
pub mod clock;
pub mod command;
pub mod doors;
pub mod failover;
mod housekeeping;
pub mod lanes;
pub mod logins;
pub mod reactor;
pub mod sockets;
pub mod tls;
pub mod worker;
