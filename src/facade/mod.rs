//! The one node that clients see: which statements are answered here, and with what.

pub mod json;
pub mod lexer;
pub mod local_values;
pub mod refusal;
pub mod statement_text;
pub mod system_select;
pub mod system_tables;
