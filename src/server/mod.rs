//! Put together, start, drain.

pub(crate) mod assemble;
pub(crate) mod drain;
pub(crate) mod error;
pub mod facade;
pub(crate) mod reload;
pub(crate) mod rotation;
pub(crate) mod secrets;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod server;
pub(crate) mod signals;
pub(crate) mod state_file;
pub(crate) mod upgrade; // one process takes the place of another
pub(crate) mod views; // what the process shows of itself
pub(crate) mod workers;
