//! RESULT: its kind, and no more.

use crate::error::WireError;
use crate::notation::Reader;

/// Kinds of RESULT (v4 section 4.2.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResultKind {
    /// Done; there is no result.
    Void,
    /// Rows.
    Rows,
    /// The connection's keyspace is now another.
    SetKeyspace,
    /// A statement is prepared.
    Prepared,
    /// The schema changed.
    SchemaChange,
}

impl ResultKind {
    /// Reads the kind from the front of the message.
    #[inline]
    pub fn read(message: &[u8]) -> Result<Self, WireError> {
        Ok(match Reader::new(message).int()? {
            1 => Self::Void,
            2 => Self::Rows,
            3 => Self::SetKeyspace,
            4 => Self::Prepared,
            5 => Self::SchemaChange,
            kind => return Err(WireError::ResultKind(kind)),
        })
    }

    /// The number on the wire.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Void => 1,
            Self::Rows => 2,
            Self::SetKeyspace => 3,
            Self::Prepared => 4,
            Self::SchemaChange => 5,
        }
    }
}
