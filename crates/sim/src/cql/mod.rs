//! The query language of the simulated server: text → statements, literals → bytes.

pub(crate) mod ast; // parsed statements
pub(crate) mod class_name; // types as the server hashes them
pub(crate) mod error; // errors, with the server's codes and texts
pub(crate) mod expression; // values computed at each run
pub(crate) mod function; // now(), blobAsInt() and other functions
pub(crate) mod identifier; // names as CQL writes them
pub(crate) mod lexer; // text → tokens
pub(crate) mod parser; // tokens → statements
pub(crate) mod type_name; // types as CQL writes them
pub(crate) mod values; // values as bytes, as text, as sort keys
