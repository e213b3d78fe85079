//! What can be wrong with bytes from the network.

use thiserror::Error;

use crate::error_code::ErrorCode;

/// A frame or body that breaks the native protocol.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum WireError {
    /// The body ends before the part that was announced.
    #[error("truncated frame: expected {expected} bytes, length is {left}")]
    Truncated {
        /// Bytes that the part needs.
        expected: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A version that is not spoken here.
    #[error("Invalid or unsupported protocol version: {0}")]
    Version(u8),
    /// A body longer than the limit.
    #[error("frame body of {len} bytes exceeds the limit of {len_max}")]
    BodyTooLong {
        /// Announced length.
        len: u32,
        /// Longest body that is accepted.
        len_max: u32,
    },
    /// A negative length where none is allowed.
    #[error("invalid length: {0}")]
    Length(i32),
    /// A `value` with a length below -2.
    #[error("invalid value length: {0}")]
    ValueLength(i32),
    /// Text that is not UTF-8.
    #[error("a string is not valid UTF-8")]
    Utf8,
    /// An opcode that the protocol does not know.
    #[error("Unknown opcode {0}")]
    Opcode(u8),
    /// A RESULT of a kind that the protocol does not know.
    #[error("unknown result kind {0}")]
    ResultKind(i32),
    /// A batch child that is neither text nor prepared.
    #[error("Invalid query kind in BATCH messages. Must be 0 or 1 but got {0}")]
    BatchKind(u8),
    /// A type option that the protocol does not know.
    #[error("unknown type option {0}")]
    TypeOption(u16),
    /// Bytes that do not decompress, in the server's words.
    #[error("{0}")]
    Compression(&'static str),
    /// An LZ4 body too short for its length.
    #[error("CQL frame truncated: expected to have at least 4 bytes, got {0}")]
    CompressedTooShort(usize),
    /// An LZ4 body that announces a negative length.
    #[error("CQL frame uncompressed length is negative: {0}")]
    UncompressedLength(i32),
    /// A compressed frame on a connection that negotiated no compression.
    #[error("Unknown compression algorithm")]
    CompressionUnasked,
    /// An unknown compression in STARTUP.
    #[error("Unknown compression algorithm: {0}")]
    CompressionName(Box<str>),
    /// An unknown event type in REGISTER.
    #[error("Invalid value '{0}' for Event.Type")]
    EventType(Box<str>),
    /// A custom payload entry of a known key that breaks its layout.
    #[error("malformed custom payload `{0}`")]
    Payload(&'static str),
}

impl WireError {
    /// The ERROR code that ScyllaDB answers to a client which sent this.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Compression(_) | Self::CompressedTooShort(_) | Self::UncompressedLength(_) => {
                ErrorCode::SERVER_ERROR
            }
            Self::BodyTooLong { .. } => ErrorCode::INVALID,
            Self::Truncated { .. }
            | Self::Version(_)
            | Self::Length(_)
            | Self::ValueLength(_)
            | Self::Utf8
            | Self::Opcode(_)
            | Self::ResultKind(_)
            | Self::BatchKind(_)
            | Self::TypeOption(_)
            | Self::CompressionUnasked
            | Self::CompressionName(_)
            | Self::EventType(_)
            | Self::Payload(_) => ErrorCode::PROTOCOL_ERROR,
        }
    }

    /// Whether the stream of frames cannot be trusted after this, so that the connection closes.
    ///
    /// ScyllaDB answers these on stream 0; all others on the request's stream, and goes on.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Version(_)
            | Self::BodyTooLong { .. }
            | Self::Compression(_)
            | Self::CompressedTooShort(_)
            | Self::UncompressedLength(_)
            | Self::CompressionUnasked => true,
            Self::Truncated { .. }
            | Self::Length(_)
            | Self::ValueLength(_)
            | Self::Utf8
            | Self::Opcode(_)
            | Self::ResultKind(_)
            | Self::BatchKind(_)
            | Self::TypeOption(_)
            | Self::CompressionName(_)
            | Self::EventType(_)
            | Self::Payload(_) => false,
        }
    }
}
