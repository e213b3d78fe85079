//! The query language of the simulated server: text → statements, literals → bytes.

pub mod error; // refusals, with the server's codes and words

pub(crate) mod ast; // what a text says
pub(crate) mod calendar; // dates and times, written and read
pub(crate) mod class_name; // types as the server hashes them
pub(crate) mod constant; // literals → bytes
pub(crate) mod duration; // months, days, nanoseconds
pub(crate) mod elements; // collections and tuples as bytes
pub(crate) mod expression; // what is computed at each run
pub(crate) mod function; // now(), blobAsInt() and their kin
pub(crate) mod json; // values as JSON
pub(crate) mod lexer; // text → tokens
pub(crate) mod parser; // tokens → what the text says
pub(crate) mod sort_key; // values as bytes that sort like the values
pub(crate) mod type_name; // types as CQL writes them
pub(crate) mod validate; // bytes that do not fit their type
pub(crate) mod varint; // integers without a limit
