//! Types as Cassandra's classes, which ScyllaDB hashes into the id of result metadata.

use cql::values::column_type::ColumnType;

const PACKAGE: &str = "org.apache.cassandra.db.marshal.";

/// The full name of the class of a type. Frozen types inside others are not distinguished, since a
/// column's type does not contain that.
pub(crate) fn class_name(column_type: &ColumnType) -> String {
    let of = |name: &str, parts: &[&ColumnType]| {
        let parts: Vec<String> = parts.iter().map(|part| class_name(part)).collect();
        format!("{PACKAGE}{name}({})", parts.join(","))
    };
    let simple = match column_type {
        ColumnType::Custom(class) => return class.clone(),
        ColumnType::List(element) => return of("ListType", &[element]),
        ColumnType::Set(element) => return of("SetType", &[element]),
        ColumnType::Map(key, value) => return of("MapType", &[key, value]),
        ColumnType::Tuple(parts) => return of("TupleType", &parts.iter().collect::<Vec<_>>()),
        ColumnType::Udt { keyspace, name, fields } => {
            let fields = fields.iter().map(|(name, kind)| format!("{name}:{}", class_name(kind)));
            let fields: Vec<String> = fields.collect();
            return format!("{PACKAGE}UserType({keyspace},{name},{})", fields.join(","));
        }
        ColumnType::Ascii => "AsciiType",
        ColumnType::Bigint => "LongType",
        ColumnType::Blob => "BytesType",
        ColumnType::Boolean => "BooleanType",
        ColumnType::Counter => "CounterColumnType",
        ColumnType::Decimal => "DecimalType",
        ColumnType::Double => "DoubleType",
        ColumnType::Float => "FloatType",
        ColumnType::Int => "Int32Type",
        ColumnType::Timestamp => "TimestampType",
        ColumnType::Uuid => "UUIDType",
        ColumnType::Varchar => "UTF8Type",
        ColumnType::Varint => "IntegerType",
        ColumnType::Timeuuid => "TimeUUIDType",
        ColumnType::Inet => "InetAddressType",
        ColumnType::Date => "SimpleDateType",
        ColumnType::Time => "TimeType",
        ColumnType::Smallint => "ShortType",
        ColumnType::Tinyint => "ByteType",
        ColumnType::Duration => "DurationType",
    };
    format!("{PACKAGE}{simple}")
}
