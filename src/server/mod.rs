//! Put together, start, drain.

pub mod assemble;
pub mod collector;
mod console_rows;
pub mod dials;
pub mod drain;
pub mod error;
pub mod facade;
mod live;
pub mod pages;
pub mod places;
pub mod reload;
pub mod rotation;
pub mod secrets;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod server;
pub mod signals;
pub mod state_file;
pub mod succession;
pub mod takeover;
pub mod upgrade;
pub mod view;
pub mod workers;
