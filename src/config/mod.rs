//! Settings: as written in a file, overridden by environment and flags, and as meant.

pub mod address;
pub mod error;
pub mod file;
pub mod load;
pub mod overrides;
pub mod reader;
pub mod secret;
pub mod settings;
pub mod tls;
