//! One logical database for the whole simulated cluster: schema, rows, execution.

pub(crate) mod data; // cells, rows, keys
pub(crate) mod database; // prepare, execute, batch
pub(crate) mod definitions; // keyspaces, tables, types, and the statements that change them
pub(crate) mod describe; // DESCRIBE
pub(crate) mod execution; // execution of prepared statements
pub(crate) mod plans; // checks of statements against the schema
