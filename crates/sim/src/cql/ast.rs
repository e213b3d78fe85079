//! Parsed statements, before they are checked against the schema.

use crate::cluster::roles::Permission;

/// A table, with or without its keyspace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Name {
    pub(crate) keyspace: Option<String>,
    pub(crate) name: String,
}

/// A type as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RawType {
    Named(Name),
    Frozen(Box<Self>),
    List(Box<Self>),
    Set(Box<Self>),
    Map(Box<Self>, Box<Self>),
    Tuple(Vec<Self>),
    Custom(String),
}

/// A value as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Term {
    Null,
    Text(String),
    Integer(String),
    Float(String),
    Boolean(bool),
    Uuid(String),
    Hex(String),
    Duration(String),
    /// Index into the bind variables.
    Marker(usize),
    List(Vec<Self>),
    /// Also an empty map.
    Set(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Tuple(Vec<Self>),
    Fields(Vec<(String, Self)>),
    Call(String, Vec<Self>),
    Cast(RawType, Box<Self>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    ContainsKey,
    Like,
    IsNotNull,
}

impl Operator {
    /// As error messages write it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "IN",
            Self::Contains => "CONTAINS",
            Self::ContainsKey => "CONTAINS KEY",
            Self::Like => "LIKE",
            Self::IsNotNull => "IS NOT",
        }
    }
}

/// The left side of an operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    Column(String),
    Element(String, Term),
    Columns(Vec<String>),
    Token(Vec<String>),
}

/// The right side of an operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Right {
    One(Term),
    /// `IN (…)`.
    Many(Vec<Term>),
}

/// One part of a WHERE or IF.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Relation {
    pub(crate) left: Left,
    pub(crate) operator: Operator,
    pub(crate) right: Right,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Selector {
    Column(String),
    CountRows,
    Call(String, Vec<Self>),
    Value(Term),
    Cast(Box<Self>, RawType),
    Field(Box<Self>, String),
    Element(Box<Self>, Term),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Selected {
    pub(crate) selector: Selector,
    pub(crate) alias: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Select {
    pub(crate) json: bool,
    pub(crate) distinct: bool,
    /// Empty: `*`.
    pub(crate) selection: Vec<Selected>,
    pub(crate) table: Name,
    pub(crate) relations: Vec<Relation>,
    pub(crate) group_by: Vec<String>,
    /// Column, descending.
    pub(crate) order_by: Vec<(String, bool)>,
    pub(crate) per_partition_limit: Option<Term>,
    pub(crate) limit: Option<Term>,
    pub(crate) allow_filtering: bool,
    pub(crate) timeout: Option<Term>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Using {
    pub(crate) timestamp: Option<Term>,
    pub(crate) ttl: Option<Term>,
    pub(crate) timeout: Option<Term>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    Always,
    Exists,
    NotExists,
    Columns(Vec<Relation>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Whole,
    Element(Term),
    Field(String),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    Set(Term),
    /// `c = c + term`.
    Add(Term),
    /// `c = c - term`.
    Subtract(Term),
    /// `c = term + c`.
    Prepend(Term),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) column: String,
    pub(crate) place: Place,
    pub(crate) change: Change,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    Insert {
        columns: Vec<String>,
        values: Vec<Term>,
    },
    InsertJson {
        json: Term,
        default_unset: bool,
    },
    Update(Vec<Assignment>),
    /// Columns or elements to delete; empty: whole rows.
    Delete(Vec<(String, Place)>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Modify {
    pub(crate) table: Name,
    pub(crate) action: Action,
    pub(crate) using: Using,
    pub(crate) relations: Vec<Relation>,
    pub(crate) condition: Condition,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BatchKind {
    Logged,
    Unlogged,
    Counter,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Batch {
    pub(crate) kind: BatchKind,
    pub(crate) using: Using,
    pub(crate) children: Vec<Modify>,
}

/// `name = value` pairs after WITH.
pub(crate) type Properties = Vec<(String, Term)>;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CreateTable {
    pub(crate) table: Name,
    pub(crate) if_not_exists: bool,
    /// Name, type, static.
    pub(crate) columns: Vec<(String, RawType, bool)>,
    pub(crate) partition_key: Vec<String>,
    pub(crate) clustering: Vec<String>,
    /// Column, descending.
    pub(crate) order: Vec<(String, bool)>,
    pub(crate) properties: Properties,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CreateView {
    pub(crate) view: Name,
    pub(crate) base: Name,
    pub(crate) if_not_exists: bool,
    /// Empty: `*`.
    pub(crate) selection: Vec<String>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) partition_key: Vec<String>,
    pub(crate) clustering: Vec<String>,
    pub(crate) order: Vec<(String, bool)>,
    pub(crate) properties: Properties,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Alter {
    Add(Vec<(String, RawType, bool)>),
    Drop(Vec<String>),
    Rename(Vec<(String, String)>),
    Retype(String, RawType),
    With(Properties),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Object {
    Keyspace,
    Table,
    View,
    Type,
    Index,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ddl {
    CreateKeyspace { name: String, if_not_exists: bool, properties: Properties },
    AlterKeyspace { name: String, properties: Properties },
    CreateTable(CreateTable),
    AlterTable { table: Name, view: bool, alter: Alter },
    CreateType { name: Name, if_not_exists: bool, fields: Vec<(String, RawType)> },
    AlterType { name: Name, alter: Alter },
    CreateIndex { name: Option<String>, table: Name, column: String, if_not_exists: bool },
    CreateView(CreateView),
    Drop { object: Object, name: Name, if_exists: bool },
}

/// What kind of element DESCRIBE names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DescribedKind {
    Table,
    View,
    Index,
    Type,
    Function,
    Aggregate,
}

impl DescribedKind {
    /// The word in the column `type` of the answer.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Index => "index",
            Self::Type => "type",
            Self::Function => "function",
            Self::Aggregate => "aggregate",
        }
    }
}

/// What DESCRIBE is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Element {
    Cluster,
    Schema {
        /// Also the server's own keyspaces.
        full: bool,
    },
    Keyspaces,
    Keyspace {
        /// `None`: the keyspace in `USE`.
        name: Option<String>,
        /// Without what is in it.
        only: bool,
    },
    /// The names of all elements of a kind.
    List(DescribedKind),
    One(DescribedKind, Name),
    /// Whatever has this name.
    Any(Name),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Describe {
    pub(crate) element: Element,
    /// `WITH INTERNALS`.
    pub(crate) internals: bool,
}

/// `GRANT SELECT ON ks.t TO role`, or REVOKE.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Grant {
    /// GRANT, not REVOKE.
    pub(crate) is_given: bool,
    pub(crate) rights: Vec<Permission>,
    pub(crate) table: Name,
    pub(crate) role: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Statement {
    Select(Select),
    Modify(Modify),
    Batch(Batch),
    Ddl(Box<Ddl>),
    Truncate(Name),
    Use(String),
    Describe(Describe),
    Grant(Grant),
}

/// A parsed text: the statement, and the names of its bind variables (`None` for `?`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    pub(crate) markers: Vec<Option<String>>,
}
