//! The one node that clients see: which statements are answered here, and with what.
//!
//! `statement_text` says whether a text is ours and `select` what it wants; `facade` finds the table
//! and `answer` its rows.

pub mod answer;
pub mod console;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod facade;
pub(crate) mod local_statements;
mod outputs;
pub mod refusal;
pub mod tables; // the tables that are answered here
pub mod text; // what the text of a local statement asks
