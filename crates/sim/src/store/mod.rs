//! One logical database for the whole simulated cluster: schema, rows, execution.

pub(crate) mod data; // what is stored
pub(crate) mod database; // prepare, execute, batch
pub(crate) mod definitions; // what there is: keyspaces, tables, types, and the statements that change them
pub(crate) mod describe; // DESCRIBE
pub(crate) mod execution; // statements when they run: plans meet rows
pub(crate) mod plans; // statements when they are prepared: names and types meet the schema
