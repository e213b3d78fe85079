//! What the system tables say, and what is published of it.

#[cfg(test)]
pub(in crate::control) mod fake_tables;
pub(crate) mod key_columns;
pub(crate) mod key_reading;
pub mod metadata;
pub(crate) mod publication;
pub mod routes;
pub mod server_tables;
pub mod table_reads;
pub mod tablet_rows;
