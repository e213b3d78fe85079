//! EXECUTE: a prepared id with parameters.

use crate::error::WireError;
use crate::notation::Reader;
use crate::request::parameters::{Parameters, SKIP_METADATA};

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
    let Some(flags_at) = flags_at(body) else { return };
    if let Some(flags) = body.get_mut(flags_at) {
        *flags &= !SKIP_METADATA;
    }
}

/// Whether an EXECUTE body asks for rows without their metadata.
#[must_use]
pub fn skips_metadata(body: &[u8]) -> bool {
    let flags = flags_at(body).and_then(|at| body.get(at));
    flags.is_some_and(|flags| flags & SKIP_METADATA != 0)
}

/// Offset of the flags: behind the id and the consistency.
fn flags_at(body: &[u8]) -> Option<usize> {
    let id = Reader::new(body).short_bytes().ok()?;
    Some(2 + id.len() + 2)
}
