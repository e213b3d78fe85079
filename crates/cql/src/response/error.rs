//! ERROR: a code, a text, and what some codes add (v4 section 9).

use std::borrow::Cow;

use crate::consistency::Consistency;
use crate::error::WireError;
use crate::error_code::ErrorCode;
use crate::frame::{FrameHead, write_frame};
use crate::header::RESPONSE;
use crate::notation::{Reader, put_int, put_short_bytes, put_string, put_string_list};
use crate::opcode::Opcode;

/// What a code adds to its text.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the fields are the specification's own")]
pub enum Extras<'a> {
    /// Nothing, or nothing that can be read.
    None,
    /// Too few replicas are alive.
    Unavailable { consistency: Consistency, required: i32, alive: i32 },
    /// Too few replicas answered a write in time.
    WriteTimeout { consistency: Consistency, received: i32, block_for: i32, write_type: &'a str },
    /// Too few replicas answered a read in time.
    ReadTimeout { consistency: Consistency, received: i32, block_for: i32, data_present: bool },
    /// Replicas failed a read (v4).
    ReadFailure {
        consistency: Consistency,
        received: i32,
        block_for: i32,
        failures: i32,
        data_present: bool,
    },
    /// A function failed (v4).
    FunctionFailure { keyspace: &'a str, function: &'a str, arguments: Vec<&'a str> },
    /// Replicas failed a write (v4).
    WriteFailure {
        consistency: Consistency,
        received: i32,
        block_for: i32,
        failures: i32,
        write_type: &'a str,
    },
    /// The keyspace, or with a name the table, is there already.
    AlreadyExists { keyspace: &'a str, table: &'a str },
    /// The server does not hold the statement. An id may be missing, or not be the one that was
    /// sent (a misread request): compare it with the request's own.
    Unprepared { id: Option<&'a [u8]> },
    /// A partition is read (0) or written (1) too often.
    RateLimit { operation: u8, by_coordinator: bool },
}

/// An ERROR message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorMessage<'a> {
    /// What went wrong.
    pub code: ErrorCode,
    /// For people; bytes that are no UTF-8 are replaced.
    pub text: Cow<'a, str>,
    /// What the code adds.
    pub extras: Extras<'a>,
}

impl<'a> ErrorMessage<'a> {
    /// Reads a message. Extras that end early are taken for none: code and text still count.
    pub fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        let code = ErrorCode(reader.int()?);
        let text = String::from_utf8_lossy(reader.short_bytes()?);
        let extras = Extras::read(code, &mut reader).unwrap_or(match code {
            ErrorCode::UNPREPARED => Extras::Unprepared { id: None },
            _ => Extras::None,
        });
        Ok(Self { code, text, extras })
    }
}

impl<'a> Extras<'a> {
    fn read(code: ErrorCode, reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(match code {
            ErrorCode::UNAVAILABLE => Self::Unavailable {
                consistency: Consistency::read(reader)?,
                required: reader.int()?,
                alive: reader.int()?,
            },
            ErrorCode::WRITE_TIMEOUT => Self::WriteTimeout {
                consistency: Consistency::read(reader)?,
                received: reader.int()?,
                block_for: reader.int()?,
                write_type: reader.string()?,
            },
            ErrorCode::READ_TIMEOUT => Self::ReadTimeout {
                consistency: Consistency::read(reader)?,
                received: reader.int()?,
                block_for: reader.int()?,
                data_present: reader.byte()? != 0,
            },
            ErrorCode::READ_FAILURE => Self::ReadFailure {
                consistency: Consistency::read(reader)?,
                received: reader.int()?,
                block_for: reader.int()?,
                failures: reader.int()?,
                data_present: reader.byte()? != 0,
            },
            ErrorCode::FUNCTION_FAILURE => Self::FunctionFailure {
                keyspace: reader.string()?,
                function: reader.string()?,
                arguments: reader.string_list()?,
            },
            ErrorCode::WRITE_FAILURE => Self::WriteFailure {
                consistency: Consistency::read(reader)?,
                received: reader.int()?,
                block_for: reader.int()?,
                failures: reader.int()?,
                write_type: reader.string()?,
            },
            ErrorCode::ALREADY_EXISTS => {
                Self::AlreadyExists { keyspace: reader.string()?, table: reader.string()? }
            }
            ErrorCode::UNPREPARED => Self::Unprepared { id: Some(reader.short_bytes()?) },
            ErrorCode::RATE_LIMIT => {
                Self::RateLimit { operation: reader.byte()?, by_coordinator: reader.byte()? != 0 }
            }
            _ => Self::None,
        })
    }

    /// The code that these extras belong to on `version`: v3 knows no failures, only timeouts.
    #[must_use]
    pub fn code(&self, version: u8) -> Option<ErrorCode> {
        let v3 = version & !RESPONSE < 4;
        Some(match self {
            Self::None => return None,
            Self::Unavailable { .. } => ErrorCode::UNAVAILABLE,
            Self::WriteTimeout { .. } => ErrorCode::WRITE_TIMEOUT,
            Self::WriteFailure { .. } if v3 => ErrorCode::WRITE_TIMEOUT,
            Self::WriteFailure { .. } => ErrorCode::WRITE_FAILURE,
            Self::ReadTimeout { .. } => ErrorCode::READ_TIMEOUT,
            Self::ReadFailure { .. } if v3 => ErrorCode::READ_TIMEOUT,
            Self::ReadFailure { .. } => ErrorCode::READ_FAILURE,
            Self::FunctionFailure { .. } => ErrorCode::FUNCTION_FAILURE,
            Self::AlreadyExists { .. } => ErrorCode::ALREADY_EXISTS,
            Self::Unprepared { .. } => ErrorCode::UNPREPARED,
            Self::RateLimit { .. } => ErrorCode::RATE_LIMIT,
        })
    }

    fn put(&self, out: &mut Vec<u8>, version: u8) {
        let v4 = version & !RESPONSE >= 4;
        let put_counts = |out: &mut Vec<u8>, consistency: Consistency, received, block_for| {
            consistency.put(out);
            put_int(out, received);
            put_int(out, block_for);
        };
        match *self {
            Self::None | Self::Unprepared { id: None } => {}
            Self::Unavailable { consistency, required, alive } => {
                put_counts(out, consistency, required, alive);
            }
            Self::WriteTimeout { consistency, received, block_for, write_type } => {
                put_counts(out, consistency, received, block_for);
                put_string(out, write_type);
            }
            Self::ReadTimeout { consistency, received, block_for, data_present } => {
                put_counts(out, consistency, received, block_for);
                out.push(u8::from(data_present));
            }
            Self::ReadFailure { consistency, received, block_for, failures, data_present } => {
                put_counts(out, consistency, received, block_for);
                if v4 {
                    put_int(out, failures);
                }
                out.push(u8::from(data_present));
            }
            Self::WriteFailure { consistency, received, block_for, failures, write_type } => {
                put_counts(out, consistency, received, block_for);
                if v4 {
                    put_int(out, failures);
                }
                put_string(out, write_type);
            }
            Self::FunctionFailure { keyspace, function, ref arguments } => {
                put_string(out, keyspace);
                put_string(out, function);
                put_string_list(out, arguments);
            }
            Self::AlreadyExists { keyspace, table } => {
                put_string(out, keyspace);
                put_string(out, table);
            }
            Self::Unprepared { id: Some(id) } => put_short_bytes(out, id),
            Self::RateLimit { operation, by_coordinator } => {
                out.extend_from_slice(&[operation, u8::from(by_coordinator)]);
            }
        }
    }
}

/// Appends an ERROR frame of a code that adds nothing to its text.
pub fn write_error(out: &mut Vec<u8>, version: u8, stream: i16, code: ErrorCode, text: &str) {
    write_frame(
        out,
        FrameHead { version: version | RESPONSE, flags: 0, stream },
        Opcode::Error,
        |out| {
            put_int(out, code.0);
            put_string(out, text);
        },
    );
}

/// Appends an ERROR frame of the code that `extras` belong to, laid out for `version`.
pub fn write_error_with(
    out: &mut Vec<u8>,
    version: u8,
    stream: i16,
    text: &str,
    extras: &Extras<'_>,
) {
    let code = extras.code(version).unwrap_or(ErrorCode::SERVER_ERROR);
    write_frame(
        out,
        FrameHead { version: version | RESPONSE, flags: 0, stream },
        Opcode::Error,
        |out| {
            put_int(out, code.0);
            put_string(out, text);
            extras.put(out, version);
        },
    );
}
