//! Texts of statements, read as far as their partition key needs.
//!
//! The reader is tolerant: it knows neither the schema nor the whole grammar. What it returns is
//! what every server would read; of all else it says that it is not understood, and such a text is
//! for a node to judge. It reads at most [`lexer::READ_BYTES_MAX`] bytes and allocates nothing.

pub mod batch;
mod characters;
pub mod definition;
pub mod document;
mod key_terms;
pub mod lexer;
pub mod name;
pub mod partition;
pub mod shape;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod statement;
pub mod term;
mod where_clause;
pub mod write_type;
