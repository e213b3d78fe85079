//! Put together, start, drain.

pub mod assemble;
pub mod drain;
pub mod error;
pub mod facade;
pub mod reload;
pub mod rotation;
pub mod secrets;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod server;
pub mod signals;
pub mod state_file;
pub mod upgrade; // one process takes the place of another
pub mod views; // what the process shows of itself
pub mod workers;
