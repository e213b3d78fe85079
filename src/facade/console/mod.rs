//! The console: a keyspace of our own in which the process shows what it does.

pub mod contents;
pub mod describe;
pub(crate) mod layout;
pub mod schema_rows;
pub mod table;
