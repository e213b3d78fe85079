//! The 9-byte frame header of protocol v3 and v4 (v4 section 2).

use crate::error::WireError;

/// Bytes of a header.
pub const HEADER_LEN: usize = 9;
/// Set in the version byte of every response.
pub const RESPONSE: u8 = 0x80;

/// Body is compressed.
pub const FLAG_COMPRESSED: u8 = 0x01;
/// Request: please trace. Response: body starts with a tracing id.
pub const FLAG_TRACING: u8 = 0x02;
/// Body carries a custom payload.
pub const FLAG_PAYLOAD: u8 = 0x04;
/// Response body carries warnings.
pub const FLAG_WARNING: u8 = 0x08;

/// A frame header as it stands on the wire; `opcode` may be unknown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Version byte, with [`RESPONSE`] set in responses.
    pub version: u8,
    /// `FLAG_*` bits.
    pub flags: u8,
    /// Pairs a response with its request; -1 for events.
    pub stream: i16,
    /// Raw opcode byte.
    pub opcode: u8,
    /// Length of the body as sent.
    pub body_len: u32,
}

impl Header {
    /// Reads a header from the front of `bytes`; `None` when fewer than 9 are there.
    #[must_use]
    pub fn peek(bytes: &[u8]) -> Option<Self> {
        let &[version, flags, s0, s1, opcode, l0, l1, l2, l3] =
            bytes.first_chunk::<HEADER_LEN>()?;
        Some(Self {
            version,
            flags,
            stream: i16::from_be_bytes([s0, s1]),
            opcode,
            body_len: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let [s0, s1] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = self.body_len.to_be_bytes();
        [self.version, self.flags, s0, s1, self.opcode, l0, l1, l2, l3]
    }

    /// Length of the whole frame, refused when the body is longer than `len_max`.
    pub fn frame_len(self, len_max: u32) -> Result<usize, WireError> {
        if self.body_len > len_max {
            return Err(WireError::BodyTooLong { len: self.body_len, len_max });
        }
        Ok(HEADER_LEN + usize::try_from(self.body_len).unwrap_or(usize::MAX - HEADER_LEN))
    }
}
