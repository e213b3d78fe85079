//! One logical database for the whole simulated cluster: schema, rows, execution.

pub mod data; // what is stored
pub mod database; // prepare, execute, batch
pub mod definitions; // what there is: keyspaces, tables, types, and the statements that change them
pub mod execution; // statements when they run: plans meet rows
pub mod plans; // statements when they are prepared: names and types meet the schema
