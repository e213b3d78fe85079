//! What is known of a table: its key, and how its rows are found.

pub(crate) mod read_times;
pub(crate) mod table_keys;
pub mod table_routes;
