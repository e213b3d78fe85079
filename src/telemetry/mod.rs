//! Numbers and logs.

pub mod logging;
