//! The one node that clients see: which statements are answered here, and with what.

pub mod bound_values;
pub mod json;
pub mod lexer;
pub mod refusal;
pub mod select;
pub mod statement_text;
pub mod system_tables;
