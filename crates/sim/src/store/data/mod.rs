//! Cells, rows and keys.

pub(crate) mod cell; // values with timestamps
pub(crate) mod key; // keys, tokens, order
pub(crate) mod rows; // the rows of one table
