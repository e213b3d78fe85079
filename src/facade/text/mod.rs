//! What the text of a local statement asks.

pub(crate) mod bound_values;
pub(crate) mod front;
pub mod lexer;
pub mod literal;
pub mod select;
pub mod statement_id;
pub mod statement_text;
