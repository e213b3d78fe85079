//! Responses for clients of protocol v3: the lanes speak v4.
//!
//! v3 has no warnings and no custom payload, no list of key markers in Prepared, no read and write
//! failures, and no schema events of functions and aggregates (v4 section 10 lists the changes).

use crate::wire::header::{FLAG_PAYLOAD, FLAG_TRACING, FLAG_WARNING, HEADER_LEN, Header, RESPONSE};
use crate::wire::opcode::Opcode;
use crate::wire::response::error::{ErrorMessage, write_error_with};
use crate::wire::response::event::Event;
use crate::wire::response::prefix::Prefix;
use crate::wire::response::prepared::Prepared;
use crate::wire::response::result::ResultKind;

const VERSION: u8 = RESPONSE | 3;
/// Bytes of the tracing id, which v3 has as well.
const TRACING_LEN: usize = 16;

/// The v3 form of a v4 response; `None` when v3 has no such message at all.
#[must_use]
pub fn downgrade(frame: &[u8]) -> Option<Vec<u8>> {
    let header = Header::peek(frame)?;
    let body = frame.get(HEADER_LEN..)?;
    let message_at = Prefix::read(header.flags, body).ok()?.message_at;
    let message = body.get(message_at..)?;
    if header.opcode == Opcode::Event.byte()
        && let Ok(Event::Schema(change)) = Event::read(message)
        && !change.fits(VERSION)
    {
        return None;
    }
    let tracing_len = if header.flags & FLAG_TRACING != 0 { TRACING_LEN } else { 0 };
    let mut down = body.get(..tracing_len)?.to_vec();
    if header.opcode == Opcode::Error.byte() {
        down.extend_from_slice(&error(message)?);
    } else if header.opcode == Opcode::Result.byte()
        && ResultKind::read(message) == Ok(ResultKind::Prepared)
    {
        prepared(message, &mut down)?;
    } else {
        down.extend_from_slice(message);
    }
    let flags = header.flags & !(FLAG_WARNING | FLAG_PAYLOAD);
    let body_len = u32::try_from(down.len()).ok()?;
    let mut whole = Header { version: VERSION, flags, body_len, ..header }.to_bytes().to_vec();
    whole.append(&mut down);
    Some(whole)
}

/// The message of an ERROR, in which failures become timeouts.
fn error(message: &[u8]) -> Option<Vec<u8>> {
    let read = ErrorMessage::read(message).ok()?;
    if read.extras.code(VERSION).is_none_or(|code| code == read.code) {
        return Some(message.to_vec());
    }
    let mut frame = Vec::new();
    write_error_with(&mut frame, VERSION, 0, &read.text, &read.extras);
    frame.get(HEADER_LEN..).map(<[u8]>::to_vec)
}

/// The message of a RESULT Prepared without its list of key markers.
fn prepared(message: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let read = Prepared::read(4, message).ok()?;
    let count = read.pk_indexes.len();
    let list_at = read.flags_at + 8;
    debug_assert!(count <= usize::from(u16::MAX), "read as shorts");
    out.extend_from_slice(message.get(..list_at)?);
    out.extend_from_slice(message.get(list_at + 4 + 2 * count..)?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::write_frame;
    use crate::wire::notation::{put_int, put_short, put_short_bytes, put_string};
    use crate::wire::response::error::Extras;

    #[test]
    fn prepared_loses_its_key_markers() {
        let mut v4 = Vec::new();
        let mut v3 = Vec::new();
        let message = |out: &mut Vec<u8>, with_markers: bool| {
            put_int(out, 4);
            put_short_bytes(out, &[7; 16]);
            put_int(out, 1);
            put_int(out, 1);
            if with_markers {
                put_int(out, 1);
                put_short(out, 0);
            }
            for text in ["ks", "t", "k"] {
                put_string(out, text);
            }
            put_short(out, 9);
            put_int(out, 4);
            put_int(out, 0);
        };
        write_frame(&mut v4, (0x84, 0, 5), Opcode::Result, |out| message(out, true));
        write_frame(&mut v3, (0x83, 0, 5), Opcode::Result, |out| message(out, false));
        assert_eq!(downgrade(&v4), Some(v3));
    }

    #[test]
    fn a_write_failure_becomes_a_timeout() {
        let extras = Extras::WriteFailure {
            consistency: 1,
            received: 0,
            block_for: 1,
            failures: 1,
            write_type: "SIMPLE",
        };
        let (mut v4, mut v3) = (Vec::new(), Vec::new());
        write_error_with(&mut v4, 4, 9, "no", &extras);
        write_error_with(&mut v3, 3, 9, "no", &extras);
        assert_ne!(v4.len(), v3.len());
        assert_eq!(downgrade(&v4), Some(v3));
    }

    #[test]
    fn warnings_are_cut_and_the_tracing_id_stays() {
        let mut v4 = Vec::new();
        write_frame(&mut v4, (0x84, FLAG_TRACING | FLAG_WARNING, 1), Opcode::Result, |out| {
            out.extend_from_slice(&[9; 16]);
            put_short(out, 1);
            put_string(out, "w");
            put_int(out, 1);
        });
        let mut v3 = Vec::new();
        write_frame(&mut v3, (0x83, FLAG_TRACING, 1), Opcode::Result, |out| {
            out.extend_from_slice(&[9; 16]);
            put_int(out, 1);
        });
        assert_eq!(downgrade(&v4), Some(v3));
    }
}
