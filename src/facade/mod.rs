//! The one node that clients see: which statements are answered here, and with what.
//!
//! `statement_text` says whether a text is ours and `select` what it wants; `facade` finds the table
//! and `answer` its rows.

pub mod answer;
pub mod bound_values;
pub mod console;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod facade;
pub mod lexer;
pub mod literal;
pub mod local_statements;
mod outputs;
pub mod peers;
pub mod refusal;
pub mod schema_version;
pub mod select;
pub mod statement_id;
pub mod statement_text;
pub mod system_tables;
pub mod table_name;
pub mod virtual_table;
