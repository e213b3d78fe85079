//! The query language of the simulated server: text → statements, literals → bytes.

pub(crate) mod ast; // what a text says
pub(crate) mod class_name; // types as the server hashes them
pub(crate) mod error; // refusals, with the server's codes and words
pub(crate) mod expression; // what is computed at each run
pub(crate) mod function; // now(), blobAsInt() and their kin
pub(crate) mod identifier; // names as CQL writes them
pub(crate) mod lexer; // text → tokens
pub(crate) mod parser; // tokens → what the text says
pub(crate) mod type_name; // types as CQL writes them
pub(crate) mod values; // values as bytes, as text, and as what sorts like them
