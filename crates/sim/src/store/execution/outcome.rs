//! Results of statements.

use crate::store::definitions::column_spec::ColumnSpec;

/// The answer to one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// RESULT Void.
    Void,
    /// RESULT Rows.
    Rows(Rows),
    /// RESULT Set_keyspace; the name as it is stored.
    SetKeyspace(String),
    /// RESULT Schema_change: the first is the answer, all of them are events.
    ///
    /// A statement that changed nothing (`IF NOT EXISTS`) returns `Void`.
    SchemaChange(Vec<SchemaChange>),
}

/// One page of rows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rows {
    /// The columns, in order.
    pub columns: Vec<ColumnSpec>,
    /// The rows; `None` is null.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// State for the next page; `None` on the last page.
    pub paging_state: Option<Vec<u8>>,
}

/// One SCHEMA_CHANGE (protocol v4 section 4.2.6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SchemaChange {
    /// What happened.
    pub change: Change,
    /// To what kind of thing.
    pub target: Target,
    /// In which keyspace.
    pub keyspace: String,
    /// To which table or type; empty for a keyspace.
    pub name: String,
}

/// What happened to a schema object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// `CREATED`.
    Created,
    /// `UPDATED`.
    Updated,
    /// `DROPPED`.
    Dropped,
}

impl Change {
    /// The word on the wire.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Updated => "UPDATED",
            Self::Dropped => "DROPPED",
        }
    }
}

/// What kind of schema object changed; views count as tables, as the server reports them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// `KEYSPACE`.
    Keyspace,
    /// `TABLE`.
    Table,
    /// `TYPE`.
    Type,
}

impl Target {
    /// The word on the wire.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Keyspace => "KEYSPACE",
            Self::Table => "TABLE",
            Self::Type => "TYPE",
        }
    }
}
