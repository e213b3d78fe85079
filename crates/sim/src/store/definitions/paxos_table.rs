//! The table that the server keeps beside a table with tablets for its light-weight transactions.

use crate::cql::identifier::maybe_quoted;
use crate::store::definitions::schema::Table;

const SUFFIX: &str = "$paxos";

/// The name of the table for the transactions of `table`.
pub(crate) fn name_of(table: &str) -> String {
    format!("{table}{SUFFIX}")
}

/// Whether a table is one of these.
pub(crate) fn is_paxos(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// The CREATE TABLE of the table for the transactions of `table`.
pub(crate) fn create_statement(table: &Table) -> String {
    format!(
        "CREATE TABLE {}.{} (row_key blob PRIMARY KEY, most_recent_commit blob, \
         most_recent_commit_at timeuuid, promise timeuuid, proposal blob, proposal_ballot timeuuid)",
        maybe_quoted(&table.keyspace),
        maybe_quoted(&name_of(&table.name))
    )
}
