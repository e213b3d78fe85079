//! The tables that are answered here.

pub mod peers;
pub(crate) mod schema_version;
pub mod system_tables;
pub mod table_name;
pub mod virtual_table;
