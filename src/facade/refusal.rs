//! Refusals of local answers, worded as ScyllaDB words them, or Apache Cassandra where its nodes are.

use crate::facade::tables::table_name::VirtualTableName;
use crate::facade::text::front::STEPS_MAX;
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
    /// A question about nodes before the cluster's own tables were read.
    #[must_use]
    pub fn unreached() -> Self {
        let text = "shardlane has not reached the cluster yet".to_owned();
        Self { code: ErrorCode::OVERLOADED, text }
    }

    /// A text whose first word is not found. If it is a `USE`, it would switch a lane that others
    /// share.
    #[must_use]
    pub fn no_verb() -> Self {
        let text = format!("this text begins with more than {STEPS_MAX} comments");
        Self { code: ErrorCode::INVALID, text }
    }

    /// A `USE` that may be more than a name. A server that takes it would switch a lane that others
    /// share.
    #[must_use]
    pub fn more_than_use() -> Self {
        let text = "USE takes the name of a keyspace and nothing else".to_owned();
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

    /// A SELECT from a table of the console that is more than is understood.
    #[must_use]
    pub fn not_understood(keyspace: &str, table: &str) -> Self {
        let text = format!(
            "shardlane answers for {keyspace}.{table} and does not understand this SELECT; ask for *, \
             columns or count(*), with conditions on columns by = and IN"
        );
        Self { code: ErrorCode::INVALID, text }
    }

    /// A write to a table that cannot be written.
    #[must_use]
    pub fn modification(keyspace: &str, table: &str) -> Self {
        let text = format!("Modification is not supported by table {keyspace}.{table}");
        Self { code: ErrorCode::INVALID, text }
    }

    /// A keyspace that would take the console's place.
    #[must_use]
    pub fn console_exists(keyspace: &str) -> Self {
        let text = format!(
            "keyspace {keyspace} is the console of shardlane; console.enabled = false lets the cluster \
             have one of this name"
        );
        Self { code: ErrorCode::INVALID, text }
    }

    /// A table of the console by a client whose role may not see it.
    #[must_use]
    pub fn unauthorized(user: &str, keyspace: &str, setting: &str) -> Self {
        let text = format!(
            "User {user} has no SELECT permission on <keyspace {keyspace}> or any of its parents: \
             {setting} of shardlane names the roles that have"
        );
        Self { code: ErrorCode::UNAUTHORIZED, text }
    }

    /// The console's rows could not be collected.
    #[must_use]
    pub fn not_collected() -> Self {
        let text = "shardlane could not collect its own numbers in time; try again".to_owned();
        Self { code: ErrorCode::OVERLOADED, text }
    }

    /// A DESCRIBE of a table that is not there.
    #[must_use]
    pub fn not_found(keyspace: &str, table: &str) -> Self {
        let text = format!("'{table}' not found in keyspace '{keyspace}'");
        Self { code: ErrorCode::INVALID, text }
    }

    /// A column that the table does not have.
    #[must_use]
    pub fn unrecognized_name(name: &str) -> Self {
        Self { code: ErrorCode::INVALID, text: format!("Unrecognized name {name}") }
    }

    /// The same, as Apache Cassandra says it.
    #[must_use]
    pub fn undefined_column(name: &str, table: VirtualTableName) -> Self {
        let VirtualTableName { keyspace, table } = table;
        let text = format!("Undefined column name {name} in table {keyspace}.{table}");
        Self { code: ErrorCode::INVALID, text }
    }

    /// A table that is not there.
    #[must_use]
    pub fn no_such_table(table: &str) -> Self {
        Self { code: ErrorCode::INVALID, text: format!("unconfigured table {table}") }
    }

    /// Rows are to be found by a column that is no key.
    #[must_use]
    pub fn needs_filtering() -> Self {
        let text =
            "Cannot execute this query as it might involve data filtering and thus may have \
                    unpredictable performance. If you want to execute this query despite the \
                    performance unpredictability, use ALLOW FILTERING"
                .to_owned();
        Self { code: ErrorCode::INVALID, text }
    }

    /// A literal that is not of its column's type.
    #[must_use]
    pub fn constant(kind: &str, literal: &str, column: &str, of: &str) -> Self {
        let text = format!("Invalid {kind} constant ({literal}) for \"{column}\" of type {of}");
        Self { code: ErrorCode::INVALID, text }
    }

    /// A text that is no address.
    #[must_use]
    pub fn no_address(text: &str, is_of_cassandra: bool) -> Self {
        let text = if is_of_cassandra {
            format!("Unable to make inet address from '{text}'")
        } else {
            format!("marshaling error: unable to make inet from '{text}'")
        };
        Self { code: ErrorCode::INVALID, text }
    }

    /// A column of single rows in a SELECT DISTINCT.
    #[must_use]
    pub fn not_distinct(column: &str) -> Self {
        let text = format!(
            "SELECT DISTINCT queries must only request partition key columns and/or static columns \
             (not {column})"
        );
        Self { code: ErrorCode::INVALID, text }
    }

    /// A SELECT DISTINCT without the whole partition key.
    #[must_use]
    pub fn missing_in_distinct(column: &str) -> Self {
        let text = format!(
            "SELECT DISTINCT queries must request all the partition key columns (missing {column})"
        );
        Self { code: ErrorCode::INVALID, text }
    }

    /// A SELECT DISTINCT of rows by what the rows of a partition do not share.
    #[must_use]
    pub fn condition_with_distinct() -> Self {
        let text = "SELECT DISTINCT with WHERE clause only supports restriction by partition key \
                    and/or static columns."
            .to_owned();
        Self { code: ErrorCode::INVALID, text }
    }

    /// A limit below 1.
    #[must_use]
    pub fn limit() -> Self {
        Self { code: ErrorCode::INVALID, text: "LIMIT must be strictly positive".to_owned() }
    }

    /// A limit for each partition, which the tables here do not keep.
    #[must_use]
    pub fn partition_limit() -> Self {
        let text = "shardlane knows no PER PARTITION LIMIT on this table".to_owned();
        Self { code: ErrorCode::INVALID, text }
    }

    /// A paging state that is none of ours.
    #[must_use]
    pub fn paging_state() -> Self {
        let text = "Invalid value for the paging state".to_owned();
        Self { code: ErrorCode::PROTOCOL_ERROR, text }
    }

    /// An answer that would be too large.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        let text = format!(
            "shardlane answers with at most {bytes_max} bytes at once: select fewer columns, or \
             turn paging on"
        );
        Self { code: ErrorCode::INVALID, text }
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
