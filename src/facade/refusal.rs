//! Refusals of local answers, worded as ScyllaDB words them.

use cql::error::WireError;
use cql::error_code::ErrorCode;

/// Why a statement gets an ERROR instead of a result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// What went wrong.
    pub code: ErrorCode,
    /// For people.
    pub text: String,
}

impl Refusal {
    /// A `USE` that is more than a name. A server that takes it would switch a lane that others
    /// share.
    #[must_use]
    pub fn more_than_use() -> Self {
        let text = "USE takes the name of a keyspace and nothing else".to_owned();
        Self { code: ErrorCode::SYNTAX_ERROR, text }
    }

    /// A SELECT whose table stands too far behind to be looked for: others wait meanwhile.
    #[must_use]
    pub fn no_table() -> Self {
        let text = "this SELECT has no FROM among its first million words".to_owned();
        Self { code: ErrorCode::SYNTAX_ERROR, text }
    }

    /// A SELECT by which a node would show the nodes behind us.
    #[must_use]
    pub fn shows_nodes(table: &str) -> Self {
        let text = format!(
            "shardlane answers for system.{table} where nodes are named, and does not understand \
             this SELECT; ask for *, columns or count(*), with conditions on columns by = and IN"
        );
        Self { code: ErrorCode::INVALID, text }
    }

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
