//! Refusals of local answers, worded as ScyllaDB words them.

use crate::wire::error::WireError;
use crate::wire::response::error::ErrorCode;

/// Why a statement gets an ERROR instead of a result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// What went wrong.
    pub code: ErrorCode,
    /// For people.
    pub text: String,
}

impl Refusal {
    /// A column that the table does not have.
    #[must_use]
    pub fn unrecognized_name(name: &str) -> Self {
        Self { code: ErrorCode::INVALID, text: format!("Unrecognized name {name}") }
    }

    /// More or fewer values than bind markers.
    #[must_use]
    pub fn value_count(expected: usize, received: usize) -> Self {
        let text =
            format!("Invalid amount of bind variables: expected {expected} received {received}");
        Self { code: ErrorCode::INVALID, text }
    }

    /// A marker that no value was sent for.
    #[must_use]
    pub fn missing_value(name: &str) -> Self {
        let text = format!("Missing value for bind marker with name: {name}");
        Self { code: ErrorCode::INVALID, text }
    }

    /// Bytes that break the protocol.
    #[must_use]
    pub fn broken(error: &WireError) -> Self {
        Self { code: error.code(), text: error.to_string() }
    }
}
