//! Keyspaces, tables and types, and the statements that change them.

pub(crate) mod column_spec; // columns of metadata
pub(crate) mod definition; // CREATE, ALTER, DROP
pub(crate) mod options; // options in WITH
pub(crate) mod paxos_table; // tables for light-weight transactions
pub(crate) mod schema; // keyspaces, tables, types
pub(crate) mod setting; // where a statement runs, and its changes
pub(crate) mod system_schema; // the schema as rows
pub(crate) mod system_tables; // the server's own tables
pub(crate) mod table_definition; // CREATE, ALTER, DROP TABLE
pub(crate) mod view_definition; // views and indexes
