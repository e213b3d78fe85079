//! The query language of the simulated server: text → statements, literals → bytes.

pub mod column_type; // types of columns, as the wire names them
pub mod error; // refusals, with the server's codes and words
