//! PREPARE: a statement's text.

use crate::error::WireError;
use crate::notation::Reader;

/// Reads the text of a PREPARE body.
pub fn read(body: &[u8]) -> Result<&str, WireError> {
    Reader::new(body).long_string()
}
