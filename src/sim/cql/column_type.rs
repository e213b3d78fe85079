//! Types of columns, as result metadata names them.

/// A type, without the mark `frozen`, which the wire does not carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ColumnType {
    /// A class known by its Java name only.
    Custom(String),
    /// `ascii`.
    Ascii,
    /// `bigint`.
    BigInt,
    /// `blob`.
    Blob,
    /// `boolean`.
    Boolean,
    /// `counter`.
    Counter,
    /// `decimal`.
    Decimal,
    /// `double`.
    Double,
    /// `float`.
    Float,
    /// `int`.
    Int,
    /// `timestamp`.
    Timestamp,
    /// `uuid`.
    Uuid,
    /// `text`, also `varchar`.
    Text,
    /// `varint`.
    VarInt,
    /// `timeuuid`.
    TimeUuid,
    /// `inet`.
    Inet,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `smallint`.
    SmallInt,
    /// `tinyint`.
    TinyInt,
    /// `duration`.
    Duration,
    /// `list<…>`.
    List(Box<ColumnType>),
    /// `map<…, …>`.
    Map(Box<ColumnType>, Box<ColumnType>),
    /// `set<…>`.
    Set(Box<ColumnType>),
    /// A user-defined type: keyspace, name, fields.
    Udt(String, String, Vec<(String, ColumnType)>),
    /// `tuple<…>`.
    Tuple(Vec<ColumnType>),
}

/// One column of bind or result metadata.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ColumnSpec {
    /// Keyspace of the table.
    pub keyspace: String,
    /// The table.
    pub table: String,
    /// Name of the column or marker.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
}
