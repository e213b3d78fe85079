//! What can be wrong with bytes from the network.

use thiserror::Error;

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
    /// Bytes that do not decompress.
    #[error("compressed body is broken: {0}")]
    Compression(&'static str),
    /// A custom payload entry of a known key that breaks its layout.
    #[error("malformed custom payload `{0}`")]
    Payload(&'static str),
}
