//! EXECUTE: a prepared id with parameters.

use crate::wire::error::WireError;
use crate::wire::notation::Reader;
use crate::wire::request::parameters::{Parameters, SKIP_METADATA};

/// An EXECUTE body.
#[derive(Clone, Copy, Debug)]
pub struct Execute<'a> {
    /// The prepared id as the client holds it.
    pub id: &'a [u8],
    /// Consistency, values and options.
    pub parameters: Parameters<'a>,
}

impl<'a> Execute<'a> {
    /// Reads a body up to its first value.
    #[inline]
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let id = reader.short_bytes()?;
        Ok(Self { id, parameters: Parameters::read(&mut reader)? })
    }
}

/// Clears SKIP_METADATA in an EXECUTE body, so that rows come with the columns they have.
///
/// A client that prepared before the table changed would read new rows by old columns.
pub fn ask_for_metadata(body: &mut [u8]) {
    let Ok(id) = Reader::new(body).short_bytes() else { return };
    let flags_at = 2 + id.len() + 2;
    if let Some(flags) = body.get_mut(flags_at) {
        *flags &= !SKIP_METADATA;
    }
}
