//! Writing frames: a header, then a body whose length is filled in at the end.

use crate::header::{HEADER_LEN, Header};
use crate::opcode::Opcode;

/// Appends one frame to `out`; `body` writes what follows the header.
///
/// `version` is the whole version byte: 0x04 for a request, 0x84 for a response.
pub fn write_frame(
    out: &mut Vec<u8>,
    (version, flags, stream): (u8, u8, i16),
    opcode: Opcode,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    let header = Header { version, flags, stream, opcode: opcode.byte(), body_len: 0 };
    out.extend_from_slice(&header.to_bytes());
    body(out);
    let body_len = u32::try_from(out.len() - start - HEADER_LEN).unwrap_or(u32::MAX);
    if let Some(at) = out.get_mut(start + 5..start + HEADER_LEN) {
        at.copy_from_slice(&body_len.to_be_bytes());
    }
}

/// Writes `stream` into the header of the frame that starts at `frame[0]`.
pub fn patch_stream(frame: &mut [u8], stream: i16) {
    if let Some(at) = frame.get_mut(2..4) {
        at.copy_from_slice(&stream.to_be_bytes());
    }
}
