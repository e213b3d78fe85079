//! Put together, start, drain.

pub mod crew;
pub mod dials;
pub mod drain;
pub mod facade;
pub mod pages;
pub mod server;
pub mod settings;
pub mod signals;
