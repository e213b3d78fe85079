//! What stands before a response's message: tracing id, warnings, custom payload, in this order.

use std::ops::Range;

use crate::error::WireError;
use crate::header::{FLAG_PAYLOAD, FLAG_TRACING, FLAG_WARNING};
use crate::notation::Reader;

/// Where the parts of a response body lie (v5 section 4 states the order).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefix {
    /// The custom payload's bytes map, empty when there is none.
    pub payload: Range<usize>,
    /// Offset of the message itself.
    pub message_at: usize,
}

impl Prefix {
    /// Reads the prefix that `flags` announces.
    #[inline]
    pub fn read(flags: u8, body: &[u8]) -> Result<Self, WireError> {
        if flags & (FLAG_TRACING | FLAG_WARNING | FLAG_PAYLOAD) == 0 {
            return Ok(Self { payload: 0..0, message_at: 0 });
        }
        let mut reader = Reader::new(body);
        if flags & FLAG_TRACING != 0 {
            reader.uuid()?;
        }
        if flags & FLAG_WARNING != 0 {
            for _ in 0..reader.short()? {
                reader.short_bytes()?;
            }
        }
        let start = body.len() - reader.rest().len();
        if flags & FLAG_PAYLOAD != 0 {
            for _ in 0..reader.short()? {
                reader.short_bytes()?;
                reader.bytes()?;
            }
        }
        let message_at = body.len() - reader.rest().len();
        Ok(Self { payload: start..message_at, message_at })
    }
}

/// Length of the custom payload at the front of a request's body, which older servers misread.
pub fn request_payload_len(body: &[u8]) -> Result<usize, WireError> {
    Ok(Prefix::read(FLAG_PAYLOAD, body)?.message_at)
}
