//! Literals of a statement, as cells of a column's type.

use std::net::IpAddr;

use uuid::Uuid;

use crate::facade::refusal::Refusal;
use crate::facade::tables::virtual_table::Column;
use cql::values::cell;
use cql::values::column_type::ColumnType;

/// A literal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LocalLiteral {
    /// A text, its quotes undone.
    Text(String),
    /// A whole number, as written.
    Integer(String),
    /// A uuid.
    Uuid([u8; 16]),
    /// `0x` and hexadecimal digits, as bytes.
    Blob(Vec<u8>),
    /// `true` or `false`.
    Boolean(bool),
    /// `null`.
    Null,
}

impl LocalLiteral {
    /// The cell that this stands for in a column; `None` is null. `is_of_cassandra` says whose words a refusal
    /// has.
    pub fn cell_of(
        &self,
        column: &Column,
        is_of_cassandra: bool,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let kind = &column.kind;
        let cell = match self {
            Self::Null => return Ok(None),
            Self::Text(text) if matches!(kind, ColumnType::Varchar | ColumnType::Ascii) => {
                Some(text.clone().into_bytes())
            }
            Self::Text(text) if *kind == ColumnType::Inet => {
                let address = text.parse::<IpAddr>();
                return match address {
                    Ok(address) => Ok(Some(cell::from_inet(address))),
                    Err(_) => Err(Refusal::no_address(text, is_of_cassandra)),
                };
            }
            Self::Uuid(uuid) if matches!(kind, ColumnType::Uuid | ColumnType::Timeuuid) => {
                Some(uuid.to_vec())
            }
            Self::Boolean(value) if *kind == ColumnType::Boolean => Some(vec![u8::from(*value)]),
            Self::Integer(digits) => integer(digits, kind),
            Self::Blob(bytes) if *kind == ColumnType::Blob => Some(bytes.clone()),
            Self::Text(_) | Self::Uuid(_) | Self::Blob(_) | Self::Boolean(_) => None,
        };
        cell.map(Some).ok_or_else(|| self.refused_for(column))
    }

    /// Bytes that this takes besides its own size.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Integer(text) => text.capacity(),
            Self::Blob(bytes) => bytes.capacity(),
            Self::Uuid(_) | Self::Boolean(_) | Self::Null => 0,
        }
    }

    fn refused_for(&self, column: &Column) -> Refusal {
        let (kind, text) = match self {
            Self::Text(text) => ("STRING", text.clone()),
            Self::Integer(digits) => ("INTEGER", digits.clone()),
            Self::Uuid(uuid) => ("UUID", uuid_text(*uuid)),
            Self::Blob(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                ("HEX", format!("0x{digits}"))
            }
            Self::Boolean(value) => ("BOOLEAN", value.to_string()),
            Self::Null => ("NULL", "null".to_owned()),
        };
        Refusal::constant(kind, &text, &column.name, &type_name(&column.kind))
    }
}

/// A uuid as texts have it.
#[must_use]
pub fn uuid_text(uuid: [u8; 16]) -> String {
    Uuid::from_bytes(uuid).to_string()
}

/// The uuid that the first 36 bytes of `text` are, if they are one.
#[must_use]
pub fn uuid_at_front(text: &str) -> Option<[u8; 16]> {
    // Of 36 characters, only the form with hyphens is one.
    Uuid::try_parse(text.get(..36)?).ok().map(Uuid::into_bytes)
}

/// A type as a CREATE TABLE has it.
#[must_use]
pub fn type_name(kind: &ColumnType) -> String {
    let simple = match kind {
        ColumnType::Custom(class) => return format!("'{class}'"),
        ColumnType::List(element) => return format!("list<{}>", type_name(element)),
        ColumnType::Set(element) => return format!("set<{}>", type_name(element)),
        ColumnType::Map(key, value) => {
            return format!("map<{}, {}>", type_name(key), type_name(value));
        }
        ColumnType::Udt { name, .. } => return name.clone(),
        ColumnType::Tuple(parts) => {
            let parts: Vec<String> = parts.iter().map(type_name).collect();
            return format!("tuple<{}>", parts.join(", "));
        }
        ColumnType::Ascii => "ascii",
        ColumnType::Bigint => "bigint",
        ColumnType::Blob => "blob",
        ColumnType::Boolean => "boolean",
        ColumnType::Counter => "counter",
        ColumnType::Decimal => "decimal",
        ColumnType::Double => "double",
        ColumnType::Float => "float",
        ColumnType::Int => "int",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Uuid => "uuid",
        ColumnType::Varchar => "text",
        ColumnType::Varint => "varint",
        ColumnType::Timeuuid => "timeuuid",
        ColumnType::Inet => "inet",
        ColumnType::Date => "date",
        ColumnType::Time => "time",
        ColumnType::Smallint => "smallint",
        ColumnType::Tinyint => "tinyint",
        ColumnType::Duration => "duration",
    };
    simple.to_owned()
}

/// The cell of a whole number, if its column holds whole numbers of that size.
fn integer(digits: &str, kind: &ColumnType) -> Option<Vec<u8>> {
    let number: i64 = digits.parse().ok()?;
    match kind {
        ColumnType::Bigint | ColumnType::Counter | ColumnType::Timestamp => {
            Some(number.to_be_bytes().to_vec())
        }
        ColumnType::Int => i32::try_from(number).ok().map(|number| number.to_be_bytes().to_vec()),
        ColumnType::Smallint => {
            i16::try_from(number).ok().map(|number| number.to_be_bytes().to_vec())
        }
        ColumnType::Tinyint => {
            i8::try_from(number).ok().map(|number| number.to_be_bytes().to_vec())
        }
        ColumnType::Custom(_)
        | ColumnType::Ascii
        | ColumnType::Blob
        | ColumnType::Boolean
        | ColumnType::Decimal
        | ColumnType::Double
        | ColumnType::Float
        | ColumnType::Uuid
        | ColumnType::Varchar
        | ColumnType::Varint
        | ColumnType::Timeuuid
        | ColumnType::Inet
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Duration
        | ColumnType::List(_)
        | ColumnType::Map(..)
        | ColumnType::Set(_)
        | ColumnType::Udt { .. }
        | ColumnType::Tuple(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facade::tables::virtual_table::ColumnRole;

    fn cell(literal: &LocalLiteral, kind: ColumnType) -> Result<Option<Vec<u8>>, Refusal> {
        literal.cell_of(&Column { name: "c".to_owned(), kind, role: ColumnRole::Regular }, false)
    }

    #[test]
    fn a_literal_is_a_cell_of_its_columns_type() {
        let text = |text: &str| LocalLiteral::Text(text.to_owned());
        let number = |digits: &str| LocalLiteral::Integer(digits.to_owned());
        let uuid = uuid_at_front("7a60342e-8245-4738-b4b8-2e7c168bd01b and more").unwrap();
        assert_eq!(uuid_text(uuid), "7a60342e-8245-4738-b4b8-2e7c168bd01b");
        for (literal, kind, expected) in [
            (text("a"), ColumnType::Varchar, b"a".to_vec()),
            (text("127.0.0.1"), ColumnType::Inet, vec![127, 0, 0, 1]),
            (number("-1"), ColumnType::Int, vec![255; 4]),
            (number("7"), ColumnType::Bigint, vec![0, 0, 0, 0, 0, 0, 0, 7]),
            (number("7"), ColumnType::Smallint, vec![0, 7]),
            (LocalLiteral::Uuid(uuid), ColumnType::Uuid, uuid.to_vec()),
            (LocalLiteral::Boolean(true), ColumnType::Boolean, vec![1]),
            (LocalLiteral::Blob(vec![0xca, 0xfe]), ColumnType::Blob, vec![0xca, 0xfe]),
            (number("7"), ColumnType::Timestamp, vec![0, 0, 0, 0, 0, 0, 0, 7]),
        ] {
            assert_eq!(cell(&literal, kind), Ok(Some(expected)), "{literal:?}");
        }
        assert_eq!(cell(&LocalLiteral::Null, ColumnType::Int), Ok(None));
    }

    #[test]
    fn a_literal_of_another_type_is_refused_in_the_servers_words() {
        let refused = |literal: &LocalLiteral, kind| cell(literal, kind).unwrap_err().text;
        assert_eq!(
            refused(&LocalLiteral::Integer("5".to_owned()), ColumnType::Inet),
            "Invalid INTEGER constant (5) for \"c\" of type inet",
        );
        assert_eq!(
            refused(&LocalLiteral::Boolean(true), ColumnType::set_of_text()),
            "Invalid BOOLEAN constant (true) for \"c\" of type set<text>",
        );
        assert_eq!(
            refused(&LocalLiteral::Text("abc".to_owned()), ColumnType::Inet),
            "marshaling error: unable to make inet from 'abc'",
        );
        assert_eq!(
            refused(&LocalLiteral::Blob(vec![0x61, 0]), ColumnType::Varchar),
            "Invalid HEX constant (0x6100) for \"c\" of type text",
        );
        let long = LocalLiteral::Integer("99999999999".to_owned());
        assert!(cell(&long, ColumnType::Int).is_err() && cell(&long, ColumnType::Bigint).is_ok());
    }

    #[test]
    fn text_that_only_looks_like_a_uuid_is_none() {
        for text in ["", "7a60342e", "7a60342e-8245-4738-b4b8-2e7c168bd01", "7a60342eé"] {
            assert_eq!(uuid_at_front(text), None, "{text}");
        }
        assert_eq!(uuid_at_front("7a60342e+8245-4738-b4b8-2e7c168bd01b"), None);
    }
}
