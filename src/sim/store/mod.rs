//! One logical database for the whole simulated cluster: schema, rows, execution.

pub mod database; // prepare, execute, batch
pub mod outcome; // what a run answers
pub mod prepared; // a checked statement
pub mod request; // what comes with a statement beside its values
pub mod schema; // keyspaces, tables, types
