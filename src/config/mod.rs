//! Settings: one table defines them, and file, environment and flags set them.

pub(crate) mod address;
pub(crate) mod agreement;
pub mod error;
pub mod file;
#[cfg(test)]
mod generated;
pub(crate) mod load;
pub mod origin;
pub(crate) mod reader;
pub(crate) mod running;
pub(crate) mod secret;
pub mod setting;
pub mod settings;
pub(crate) mod suggest;
pub mod table;
pub(crate) mod tls;
pub(crate) mod variables;
