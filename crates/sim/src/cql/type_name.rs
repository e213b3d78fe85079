//! Types as CQL writes them.

use cql::values::column_type::ColumnType;

/// Types that have one word for a name.
const SIMPLE: &[(&str, ColumnType)] = &[
    ("ascii", ColumnType::Ascii),
    ("bigint", ColumnType::Bigint),
    ("blob", ColumnType::Blob),
    ("boolean", ColumnType::Boolean),
    ("counter", ColumnType::Counter),
    ("date", ColumnType::Date),
    ("decimal", ColumnType::Decimal),
    ("double", ColumnType::Double),
    ("duration", ColumnType::Duration),
    ("float", ColumnType::Float),
    ("inet", ColumnType::Inet),
    ("int", ColumnType::Int),
    ("smallint", ColumnType::Smallint),
    ("text", ColumnType::Varchar),
    ("time", ColumnType::Time),
    ("timestamp", ColumnType::Timestamp),
    ("timeuuid", ColumnType::Timeuuid),
    ("tinyint", ColumnType::Tinyint),
    ("uuid", ColumnType::Uuid),
    ("varchar", ColumnType::Varchar),
    ("varint", ColumnType::Varint),
];

/// The type of a one-word name.
pub(crate) fn simple(name: &str) -> Option<ColumnType> {
    SIMPLE.iter().find(|(word, _)| *word == name).map(|(_, simple)| simple.clone())
}

/// Whether a value of the type can be stored cell by cell, so that `frozen` matters.
pub(crate) fn is_composite(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::List(_)
            | ColumnType::Map(..)
            | ColumnType::Set(_)
            | ColumnType::Udt { .. }
            | ColumnType::Tuple(_)
    )
}

/// The type as `system_schema` writes it; all that is nested is frozen, and so are tuples.
pub(crate) fn cql_name(column_type: &ColumnType, frozen: bool) -> String {
    let inner = |nested: &ColumnType| cql_name(nested, true);
    let bare = match column_type {
        ColumnType::List(element) => format!("list<{}>", inner(element)),
        ColumnType::Set(element) => format!("set<{}>", inner(element)),
        ColumnType::Map(key, value) => format!("map<{}, {}>", inner(key), inner(value)),
        ColumnType::Tuple(parts) => {
            let parts: Vec<String> = parts.iter().map(inner).collect();
            format!("tuple<{}>", parts.join(", "))
        }
        ColumnType::Udt { name, .. } => name.clone(),
        ColumnType::Custom(class) => format!("'{class}'"),
        ColumnType::Ascii
        | ColumnType::Bigint
        | ColumnType::Blob
        | ColumnType::Boolean
        | ColumnType::Counter
        | ColumnType::Decimal
        | ColumnType::Double
        | ColumnType::Float
        | ColumnType::Int
        | ColumnType::Timestamp
        | ColumnType::Uuid
        | ColumnType::Varchar
        | ColumnType::Varint
        | ColumnType::Timeuuid
        | ColumnType::Inet
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Smallint
        | ColumnType::Tinyint
        | ColumnType::Duration => {
            let found = SIMPLE.iter().find(|(_, simple)| simple == column_type);
            return found.map_or("blob", |(word, _)| *word).to_owned();
        }
    };
    let is_tuple = matches!(column_type, ColumnType::Tuple(_));
    let is_custom = matches!(column_type, ColumnType::Custom(_));
    if (frozen || is_tuple) && !is_custom { format!("frozen<{bare}>") } else { bare }
}
