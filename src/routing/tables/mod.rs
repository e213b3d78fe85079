//! What is known of a table: its key, and how its rows are found.

pub mod read_times;
pub mod table_keys;
pub mod table_routes;
