//! Settings: one table defines them, and file, environment and flags set them.

pub mod address;
pub mod agreement;
pub mod error;
pub mod file;
#[cfg(test)]
mod generated;
pub mod load;
pub mod origin;
pub mod reader;
pub mod running;
pub mod secret;
pub mod setting;
pub mod settings;
pub mod suggest;
pub mod table;
pub mod tls;
pub mod variables;
