//! Sockets, and when they are ready.

pub mod line;
pub mod polled;
pub mod poller;
pub mod ready_list;
pub mod slot_table;
pub mod socket;
pub mod transport;
