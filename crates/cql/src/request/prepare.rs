//! PREPARE: a statement's text.

use crate::error::WireError;
use crate::notation::Reader;

/// A PREPARE body.
#[derive(Clone, Copy, Debug)]
pub struct Prepare<'a> {
    /// The statement.
    pub text: &'a str,
}

impl<'a> Prepare<'a> {
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        Ok(Self { text: Reader::new(body).long_string()? })
    }
}
