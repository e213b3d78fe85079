//! What stands before a response's message: tracing id, warnings, custom payload, in this order.

use std::ops::Range;

use crate::error::WireError;
use crate::header::{FLAG_PAYLOAD, FLAG_TRACING, FLAG_WARNING, HEADER_LEN, Header, RESPONSE};
use crate::notation::{Reader, put_short, put_string};

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

/// Adds a warning to a whole response frame, uncompressed. A frame of protocol v3, which has none,
/// stays as it is, and so does one that is cut short.
pub fn add_warning(frame: &mut Vec<u8>, text: &str) {
    let Some(mut header) = Header::peek(frame) else { return };
    if header.version & !RESPONSE < 4 {
        return;
    }
    let at = HEADER_LEN + if header.flags & FLAG_TRACING != 0 { 16 } else { 0 };
    let mut warning = Vec::new();
    if header.flags & FLAG_WARNING == 0 {
        put_short(&mut warning, 1);
        put_string(&mut warning, text);
        if at > frame.len() {
            return;
        }
        frame.splice(at..at, warning);
    } else {
        let Some(count) = frame.get(at..at + 2).and_then(|count| count.try_into().ok()) else {
            return;
        };
        put_short(&mut warning, u16::from_be_bytes(count).saturating_add(1));
        put_string(&mut warning, text);
        frame.splice(at..at + 2, warning);
    }
    header.flags |= FLAG_WARNING;
    header.body_len = u32::try_from(frame.len() - HEADER_LEN).unwrap_or(u32::MAX);
    frame.splice(..HEADER_LEN, header.to_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameHead, write_frame};
    use crate::opcode::Opcode;

    /// The flags, and the body up to the message.
    fn warned(version: u8, flags: u8, body: &[u8]) -> (u8, Vec<u8>) {
        let mut frame = Vec::new();
        let head = FrameHead { version, flags, stream: 7 };
        write_frame(&mut frame, head, Opcode::Result, |out| out.extend_from_slice(body));
        add_warning(&mut frame, "w");
        let header = Header::peek(&frame).unwrap();
        assert_eq!(usize::try_from(header.body_len), Ok(frame.len() - HEADER_LEN));
        assert_eq!((header.stream, header.opcode), (7, Opcode::Result.byte()));
        let body = frame.split_off(HEADER_LEN);
        let prefix = Prefix::read(header.flags, &body).unwrap();
        assert_eq!(&body[prefix.message_at..], b"message");
        (header.flags, body)
    }

    #[test]
    fn a_warning_stands_behind_the_trace_and_before_others() {
        assert_eq!(warned(0x84, 0, b"message"), (FLAG_WARNING, b"\0\x01\0\x01wmessage".to_vec()));
        let traced = [&[9; 16][..], b"message"].concat();
        let (flags, body) = warned(0x84, FLAG_TRACING, &traced);
        assert_eq!(flags, FLAG_TRACING | FLAG_WARNING);
        assert_eq!(&body[..20], [&[9; 16][..], b"\0\x01\0\x01"].concat());
        let (_, body) = warned(0x84, FLAG_WARNING, b"\0\x01\0\x02abmessage");
        assert_eq!(body, b"\0\x02\0\x01w\0\x02abmessage");
    }

    #[test]
    fn version_3_has_no_warnings() {
        assert_eq!(warned(0x83, 0, b"message"), (0, b"message".to_vec()));
    }
}
