//! Clients of protocol v3: the lanes speak v4.
//!
//! v3 has no warnings and no custom payload, no list of key markers in Prepared, no failures of
//! reads, writes and functions, no schema events of functions and aggregates, and no unset values
//! (v4 section 10 lists the changes).

use crate::error::WireError;
use crate::error_code::ErrorCode;
use crate::header::{FLAG_PAYLOAD, FLAG_TRACING, FLAG_WARNING, HEADER_LEN, Header, RESPONSE};
use crate::notation::Reader;
use crate::opcode::Opcode;
use crate::request::parameters::{NAMES, VALUES};
use crate::response::error::{ErrorMessage, write_error, write_error_with};
use crate::response::event::Event;
use crate::response::prefix::Prefix;
use crate::response::prepared::Prepared;
use crate::response::result::ResultKind;

const VERSION: u8 = RESPONSE | 3;
/// Length of a value that is null.
const NULL: i32 = -1;
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

/// Makes a v3 request mean the same in v4: there every negative length is null, here -2 is unset
/// and others are errors.
pub fn upgrade(opcode: Opcode, body: &mut [u8]) {
    let mut negative = Vec::new();
    // What cannot be read to its end is for the node to refuse.
    let _read = find_negative(opcode, body, &mut negative);
    for at in negative {
        if let Some(len) = body.get_mut(at..at + 4) {
            len.copy_from_slice(&NULL.to_be_bytes());
        }
    }
}

/// Offsets of the negative lengths of a request's values that are not null in v4 too.
fn find_negative(opcode: Opcode, body: &[u8], found: &mut Vec<usize>) -> Result<(), WireError> {
    let mut reader = Reader::new(body);
    let mut values = |reader: &mut Reader<'_>, named| {
        for _ in 0..reader.short()? {
            if named {
                reader.short_bytes()?;
            }
            let at = body.len() - reader.rest().len();
            let len = reader.int()?;
            match usize::try_from(len) {
                Ok(len) => {
                    reader.take(len)?;
                }
                Err(_) if len == NULL => {}
                Err(_) => found.push(at),
            }
        }
        Ok::<_, WireError>(())
    };
    if opcode == Opcode::Batch {
        reader.byte()?;
        for _ in 0..reader.short()? {
            match reader.byte()? {
                0 => reader.bytes()?.unwrap_or_default(),
                _ => reader.short_bytes()?,
            };
            values(&mut reader, false)?;
        }
        return Ok(());
    }
    if opcode == Opcode::Query {
        reader.bytes()?;
    } else if opcode == Opcode::Execute {
        reader.short_bytes()?;
    } else {
        return Ok(());
    }
    reader.short()?;
    let flags = reader.byte()?;
    if flags & VALUES != 0 {
        values(&mut reader, flags & NAMES != 0)?;
    }
    Ok(())
}

/// The message of an ERROR: failures of replicas become timeouts, those of functions a request that
/// is invalid, as in Cassandra.
fn error(message: &[u8]) -> Option<Vec<u8>> {
    let read = ErrorMessage::read(message).ok()?;
    if read.code == ErrorCode::FUNCTION_FAILURE {
        let mut frame = Vec::new();
        write_error(&mut frame, VERSION, 0, ErrorCode::INVALID, &read.text);
        return frame.get(HEADER_LEN..).map(<[u8]>::to_vec);
    }
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
    use crate::consistency::Consistency;
    use crate::frame::{FrameHead, write_frame};
    use crate::notation::{put_int, put_long_string, put_short, put_short_bytes, put_string};
    use crate::response::error::Extras;

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
        write_frame(
            &mut v4,
            FrameHead { version: 0x84, flags: 0, stream: 5 },
            Opcode::Result,
            |out| message(out, true),
        );
        write_frame(
            &mut v3,
            FrameHead { version: 0x83, flags: 0, stream: 5 },
            Opcode::Result,
            |out| message(out, false),
        );
        assert_eq!(downgrade(&v4), Some(v3));
    }

    #[test]
    fn a_write_failure_becomes_a_timeout() {
        let extras = Extras::WriteFailure {
            consistency: Consistency::One,
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
        write_frame(
            &mut v4,
            FrameHead { version: 0x84, flags: FLAG_TRACING | FLAG_WARNING, stream: 1 },
            Opcode::Result,
            |out| {
                out.extend_from_slice(&[9; 16]);
                put_short(out, 1);
                put_string(out, "w");
                put_int(out, 1);
            },
        );
        let mut v3 = Vec::new();
        write_frame(
            &mut v3,
            FrameHead { version: 0x83, flags: FLAG_TRACING, stream: 1 },
            Opcode::Result,
            |out| {
                out.extend_from_slice(&[9; 16]);
                put_int(out, 1);
            },
        );
        assert_eq!(downgrade(&v4), Some(v3));
    }

    #[test]
    fn a_failed_function_becomes_an_invalid_request() {
        let extras = Extras::FunctionFailure { keyspace: "k", function: "f", arguments: vec![] };
        let (mut v4, mut v3) = (Vec::new(), Vec::new());
        write_error_with(&mut v4, 4, 9, "division by zero", &extras);
        write_error(&mut v3, 3, 9, ErrorCode::INVALID, "division by zero");
        assert_eq!(downgrade(&v4), Some(v3));
    }

    #[test]
    fn every_negative_length_of_a_value_becomes_null() {
        let values = |out: &mut Vec<u8>, negative: &[i32], names: bool| {
            put_short(out, u16::try_from(negative.len() + 1).unwrap());
            for number in negative.iter().chain([&4]) {
                if names {
                    put_string(out, "name");
                }
                put_int(out, *number);
            }
            // The bytes of a value are no length.
            put_int(out, -2);
        };
        let body = |opcode: Opcode, negative: &[i32], names: bool| {
            let mut out = Vec::new();
            if opcode == Opcode::Batch {
                out.push(0);
                put_short(&mut out, 2);
                out.push(0);
                put_long_string(&mut out, "INSERT");
                values(&mut out, negative, false);
                out.push(1);
                put_short_bytes(&mut out, &[7; 16]);
                values(&mut out, negative, false);
                put_short(&mut out, 1);
                out.push(0);
                return out;
            }
            if opcode == Opcode::Query {
                put_long_string(&mut out, "SELECT");
            } else {
                put_short_bytes(&mut out, &[7; 16]);
            }
            put_short(&mut out, 1);
            out.push(VALUES | if names { NAMES } else { 0 });
            values(&mut out, negative, names);
            out
        };
        for opcode in [Opcode::Query, Opcode::Execute, Opcode::Batch] {
            for names in [false, true] {
                let mut old = body(opcode, &[-1, -2, -3, i32::MIN], names);
                upgrade(opcode, &mut old);
                assert_eq!(old, body(opcode, &[-1, -1, -1, -1], names), "{opcode:?}");
                for len in 0..old.len() {
                    upgrade(opcode, &mut body(opcode, &[-2], names)[..len.min(20)]);
                }
            }
        }
        let mut text = b"\xff\xff\xff\xfe".to_vec();
        upgrade(Opcode::Prepare, &mut text);
        assert_eq!(text, b"\xff\xff\xff\xfe");
    }
}
