//! A whole frame: read as a header and its body, and written with a length that fits.

use crate::header::{HEADER_LEN, Header};
use crate::opcode::Opcode;

/// A whole frame where it lies. It is made in one place, and its header and body always belong
/// together: the body is exactly as long as the header says.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    header: Header,
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes the frame at the front of `bytes`; what follows it is left out. `None` when `bytes`
    /// holds no whole frame.
    #[inline]
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        Self::split_first(bytes).map(|(frame, _)| frame)
    }

    /// Takes the frame at the front of `bytes`, and returns what follows it beside it. `None` when
    /// `bytes` holds no whole frame.
    #[inline]
    #[must_use]
    pub fn split_first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header = Header::peek(bytes)?;
        let len = HEADER_LEN.checked_add(usize::try_from(header.body_len).ok()?)?;
        let (bytes, rest) = bytes.split_at_checked(len)?;
        Some((Self { header, bytes }, rest))
    }

    /// The header.
    #[inline]
    #[must_use]
    pub fn header(&self) -> Header {
        self.header
    }

    /// What follows the header.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Header and body as they lie.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The stream id, which pairs a response with its request.
    #[inline]
    #[must_use]
    pub fn stream(&self) -> i16 {
        self.header.stream
    }
}

/// What a header says besides its opcode and length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameHead {
    /// The whole version byte: 0x04 for a request, 0x84 for a response.
    pub version: u8,
    /// `FLAG_*` bits of [`crate::header`].
    pub flags: u8,
    /// The stream id.
    pub stream: i16,
}

/// Appends one frame to `out`; `body` writes what follows the header.
pub fn write_frame(
    out: &mut Vec<u8>,
    FrameHead { version, flags, stream }: FrameHead,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options(stream: i16, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_frame(&mut out, FrameHead { version: 4, flags: 0, stream }, Opcode::Options, |out| {
            out.extend_from_slice(body);
        });
        out
    }

    #[test]
    fn a_body_is_as_long_as_its_header_says() {
        let bytes = options(-7, b"body");
        let frame = Frame::read(&bytes).unwrap();
        assert_eq!((frame.stream(), frame.header().body_len), (-7, 4));
        assert_eq!((frame.body(), frame.bytes()), (&b"body"[..], &bytes[..]));
    }

    #[test]
    fn a_frame_that_is_cut_anywhere_is_none() {
        let bytes = options(1, b"body");
        for len in 0..bytes.len() {
            assert!(Frame::read(&bytes[..len]).is_none(), "{len}");
        }
        assert!(Frame::read(&[0xff; 12]).is_none(), "a body of 4 GiB");
    }

    #[test]
    fn frames_in_a_row_come_one_by_one() {
        let bytes = [options(1, b"one"), options(2, b"")].concat();
        let (first, rest) = Frame::split_first(&bytes).unwrap();
        let (second, rest) = Frame::split_first(rest).unwrap();
        assert_eq!((first.body(), second.body(), rest), (&b"one"[..], &b""[..], &b""[..]));
        assert_eq!(Frame::read(&bytes).unwrap().bytes(), first.bytes());
    }
}
