//! Values as people write them, turned into the bytes of their column's type (v4 section 6).

use thiserror::Error;

use cql::token::error::TokenError;
use cql::token::partition_key::token_of;
use cql::token::partitioner::Partitioner;
use cql::token::token::Token;
use cql::values::column_type::ColumnType;
use cql::values::scalar::put_scalar;

/// What is understood, for the error when something is not.
const KNOWN: &str = "tinyint, smallint, int, bigint, varint, decimal, float, double, boolean, text, \
                     ascii, blob, uuid, timeuuid, inet, date, time and timestamp";

/// A value that cannot be turned into bytes.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum KeyError {
    /// It is not how values of this type are written.
    #[error("'{text}' is no {kind}: write {form}")]
    Value {
        /// The value.
        text: String,
        /// The column's type.
        kind: String,
        /// How values of it are written.
        form: &'static str,
    },
    /// Its type is not understood here.
    #[error("a key of type {0} cannot be written here; known are {KNOWN}")]
    Type(String),
}

/// The cell of `text` in a column of type `kind`, as the schema names it.
pub(crate) fn cell(kind: &str, text: &str) -> Result<Vec<u8>, KeyError> {
    let unknown = || KeyError::Type(kind.to_owned());
    let column_type = ColumnType::from_simple_name(kind).ok_or_else(unknown)?;
    let form = form(&column_type).ok_or_else(unknown)?;
    let mut cell = Vec::new();
    match put_scalar(text, &column_type, &mut cell) {
        Ok(()) => Ok(cell),
        Err(_) => Err(KeyError::Value { text: text.to_owned(), kind: kind.to_owned(), form }),
    }
}

/// How values of a type are written; `None` when they cannot be.
fn form(column_type: &ColumnType) -> Option<&'static str> {
    Some(match column_type {
        ColumnType::Tinyint | ColumnType::Smallint | ColumnType::Int | ColumnType::Bigint => {
            "a whole number within the type's range"
        }
        ColumnType::Varint => "a whole number",
        ColumnType::Decimal | ColumnType::Float | ColumnType::Double => "a number",
        ColumnType::Boolean => "true or false",
        ColumnType::Varchar => "any text",
        ColumnType::Ascii => "ASCII text",
        ColumnType::Blob => "0x and pairs of hexadecimal digits",
        ColumnType::Uuid => "32 hexadecimal digits in groups of 8-4-4-4-12",
        ColumnType::Timeuuid => "a uuid of version 1, in groups of 8-4-4-4-12",
        ColumnType::Inet => "an IPv4 or IPv6 address",
        ColumnType::Date => "yyyy-mm-dd",
        ColumnType::Time => "hh:mm:ss, perhaps with a fraction",
        ColumnType::Timestamp => {
            "milliseconds since 1970, or a date, perhaps a time, and a zone: 2024-01-31T12:00:00Z"
        }
        ColumnType::Custom(_)
        | ColumnType::Counter
        | ColumnType::Duration
        | ColumnType::List(_)
        | ColumnType::Map(..)
        | ColumnType::Set(_)
        | ColumnType::Udt { .. }
        | ColumnType::Tuple(_) => return None,
    })
}

/// The token of the key with these cells, and its serialized form.
pub(crate) fn locate(
    partitioner: Partitioner,
    cells: &[Vec<u8>],
) -> Result<(Token, Vec<u8>), TokenError> {
    let mut composite = Vec::new();
    let token = token_of(partitioner, cells.iter().map(Vec::as_slice), &mut composite)?;
    Ok(if let [cell] = cells { (token, cell.clone()) } else { (token, composite) })
}

/// Bytes as `0x…`.
#[must_use]
pub(crate) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_bytes_of_their_type() {
        let cases: [(&str, &str, &[u8]); 19] = [
            ("tinyint", "-1", &[0xff]),
            ("smallint", "258", &[1, 2]),
            ("int", "1", &[0, 0, 0, 1]),
            ("bigint", "-2", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
            ("varint", "0", &[0]),
            ("varint", "127", &[0x7f]),
            ("varint", "128", &[0, 0x80]),
            ("varint", "-128", &[0x80]),
            ("varint", "-129", &[0xff, 0x7f]),
            ("timestamp", "1000", &[0, 0, 0, 0, 0, 0, 3, 0xe8]),
            ("float", "1.5", &[0x3f, 0xc0, 0, 0]),
            ("double", "-2", &[0xc0, 0, 0, 0, 0, 0, 0, 0]),
            ("boolean", "true", &[1]),
            ("text", "é", &[0xc3, 0xa9]),
            ("blob", "0xCAfe", &[0xca, 0xfe]),
            ("blob", "0x", &[]),
            ("inet", "10.0.0.1", &[10, 0, 0, 1]),
            ("decimal", "1.5", &[0, 0, 0, 1, 15]),
            ("timestamp", "1970-01-01T00:00:01Z", &[0, 0, 0, 0, 0, 0, 3, 0xe8]),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(cell(kind, text).as_deref(), Ok(expected), "{kind} {text}");
        }
        let id = cell("uuid", "00112233-4455-6677-8899-aabbccddeeff").unwrap();
        assert_eq!(hex(&id), "0x00112233445566778899aabbccddeeff");
    }

    #[test]
    fn a_value_that_is_not_written_as_its_type_is_an_error_that_says_how() {
        let cases = [
            ("int", "2147483648"),
            ("int", "1.0"),
            ("varint", ""),
            ("boolean", "1"),
            ("blob", "cafe"),
            ("blob", "0xabc"),
            ("blob", "0x+1"),
            ("uuid", "00112233445566778899aabbccddeeff"),
            ("ascii", "é"),
            ("inet", "node1"),
            ("timestamp", "2024-01-01"),
        ];
        for (kind, text) in cases {
            let error = cell(kind, text).unwrap_err();
            assert!(matches!(error, KeyError::Value { .. }), "{kind} {text}");
        }
        assert_eq!(cell("duration", "1h"), Err(KeyError::Type("duration".to_owned())));
        let list = "frozen<list<int>>";
        assert_eq!(cell(list, "[1]"), Err(KeyError::Type(list.to_owned())));
        let error = cell("boolean", "yes").unwrap_err().to_string();
        assert_eq!(error, "'yes' is no boolean: write true or false");
    }
}
