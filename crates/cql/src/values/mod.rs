//! Values: their types, their bytes, and how CQL and JSON write them.

pub mod calendar;
pub mod cell;
pub mod column_type;
pub mod json;
pub mod literal;
mod order; // of the elements of sets
pub mod scalar;
