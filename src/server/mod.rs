//! Put together, start, drain.

pub mod crew;
pub mod dials;
pub mod drain;
pub mod facade;
pub mod pages;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod rotation;
pub mod secrets;
pub mod server;
pub mod settings;
pub mod signals;
