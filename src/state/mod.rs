//! What a process has learned, as bytes that the next one can begin with: tablets, statements, keys of tables.

pub mod client;
pub mod error;
pub mod format;
pub mod record;
pub mod wire;
