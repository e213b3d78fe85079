//! A simulated ScyllaDB cluster, for the demo, the tests and anybody's drivers.

pub mod cql; // the language: text → statements, literals → bytes
pub mod like; // which server is imitated
pub mod store; // one logical database: schema, rows, execution
