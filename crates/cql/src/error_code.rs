//! Codes of ERROR messages (v4 section 9).

use std::fmt;

/// What went wrong, as a number. Unknown codes are kept as they came.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ErrorCode(pub i32);

#[expect(missing_docs, reason = "the names are the specification's own")]
impl ErrorCode {
    pub const SERVER_ERROR: Self = Self(0x0000);
    pub const PROTOCOL_ERROR: Self = Self(0x000a);
    pub const BAD_CREDENTIALS: Self = Self(0x0100);
    pub const UNAVAILABLE: Self = Self(0x1000);
    pub const OVERLOADED: Self = Self(0x1001);
    pub const BOOTSTRAPPING: Self = Self(0x1002);
    pub const WRITE_TIMEOUT: Self = Self(0x1100);
    pub const READ_TIMEOUT: Self = Self(0x1200);
    pub const READ_FAILURE: Self = Self(0x1300);
    pub const FUNCTION_FAILURE: Self = Self(0x1400);
    pub const WRITE_FAILURE: Self = Self(0x1500);
    pub const SYNTAX_ERROR: Self = Self(0x2000);
    pub const UNAUTHORIZED: Self = Self(0x2100);
    pub const INVALID: Self = Self(0x2200);
    pub const ALREADY_EXISTS: Self = Self(0x2400);
    pub const UNPREPARED: Self = Self(0x2500);
    /// ScyllaDB's per-partition rate limit; SUPPORTED names the code, STARTUP asks for it.
    pub const RATE_LIMIT: Self = Self(0xf000);
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorCode(0x{:04x})", self.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}
