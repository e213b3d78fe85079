//! What the system tables say, and what is published of it.

#[cfg(test)]
pub(in crate::control) mod fake_tables;
pub mod key_columns;
pub mod key_reading;
pub mod metadata;
pub mod publication;
pub mod routes;
pub mod server_tables;
pub mod table_reads;
pub mod tablet_rows;
