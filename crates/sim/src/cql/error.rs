//! Errors of statements, with the codes and texts of the real server.

use thiserror::Error;

/// Why a statement is refused; `Display` is the text of the ERROR frame.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum CqlError {
    /// 0x0000: the server failed.
    #[error("{0}")]
    Server(String),
    /// 0x2000: the text is not CQL.
    #[error("{0}")]
    Syntax(String),
    /// 0x2200: CQL, but it cannot be run.
    #[error("{0}")]
    Invalid(String),
    /// 0x2300: a schema statement that is not possible.
    #[error("{0}")]
    Configuration(String),
    /// 0x000A: something in the request breaks the protocol.
    #[error("{0}")]
    Protocol(String),
    /// 0x2100: not permitted.
    #[error("{0}")]
    Unauthorized(String),
    /// 0x2400: a keyspace (`table` empty) or table of that name exists.
    #[error("{message}")]
    AlreadyExists {
        /// The text of the ERROR frame.
        message: String,
        /// The keyspace.
        keyspace: String,
        /// The table, or nothing when a keyspace was to be created.
        table: String,
    },
}

impl CqlError {
    /// The error code of the native protocol (v4 section 9).
    #[must_use]
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Server(_) => 0x0000,
            Self::Protocol(_) => 0x000A,
            Self::Syntax(_) => 0x2000,
            Self::Unauthorized(_) => 0x2100,
            Self::Invalid(_) => 0x2200,
            Self::Configuration(_) => 0x2300,
            Self::AlreadyExists { .. } => 0x2400,
        }
    }

    /// An [`CqlError::Invalid`] with `text`.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    /// A [`CqlError::Syntax`] with `text`.
    pub(crate) fn syntax(text: impl Into<String>) -> Self {
        Self::Syntax(text.into())
    }
}
