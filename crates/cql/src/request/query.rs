//! QUERY: a statement's text with parameters.

use crate::error::WireError;
use crate::notation::Reader;
use crate::request::parameters::Parameters;

/// A QUERY body.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The statement.
    pub text: &'a str,
    /// Consistency, values and options.
    pub parameters: Parameters<'a>,
}

impl<'a> Query<'a> {
    /// Reads a body up to its first value.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let text = reader.long_string()?;
        Ok(Self { text, parameters: Parameters::read(&mut reader)? })
    }
}
