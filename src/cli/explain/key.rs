//! Values as people write them, turned into the bytes of their column's type (v4 section 6).

use std::net::IpAddr;

use thiserror::Error;

use cql::cell;

/// What is understood; told when something is not.
const KNOWN: &str = "tinyint, smallint, int, bigint, varint, float, double, boolean, text, ascii, \
                     blob, uuid, timeuuid, inet and timestamp";

/// A value that cannot be turned into bytes.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum KeyError {
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
pub fn cell(kind: &str, text: &str) -> Result<Vec<u8>, KeyError> {
    let read = match kind {
        "tinyint" => (text.parse().ok().map(|value: i8| value.to_be_bytes().to_vec()), NUMBER),
        "smallint" => (text.parse().ok().map(|value: i16| value.to_be_bytes().to_vec()), NUMBER),
        "int" => (text.parse().ok().map(|value: i32| value.to_be_bytes().to_vec()), NUMBER),
        "bigint" => (text.parse().ok().map(|value: i64| value.to_be_bytes().to_vec()), NUMBER),
        "varint" => (text.parse().ok().map(varint), "a whole number of at most 128 bits"),
        "timestamp" => {
            let millis = text.parse().ok().map(|value: i64| value.to_be_bytes().to_vec());
            (millis, "milliseconds since 1970")
        }
        "float" => (text.parse().ok().map(|value: f32| value.to_be_bytes().to_vec()), "a number"),
        "double" => (text.parse().ok().map(|value: f64| value.to_be_bytes().to_vec()), "a number"),
        "boolean" => (text.parse().ok().map(|value: bool| vec![u8::from(value)]), "true or false"),
        "text" | "varchar" => (Some(text.as_bytes().to_vec()), "any text"),
        "ascii" => (text.is_ascii().then(|| text.as_bytes().to_vec()), "ASCII text"),
        "blob" => (text.strip_prefix("0x").and_then(bytes), "0x and pairs of hexadecimal digits"),
        "uuid" | "timeuuid" => (uuid(text), "32 hexadecimal digits in groups of 8-4-4-4-12"),
        "inet" => (
            text.parse().ok().map(|value: IpAddr| cell::from_inet(value)),
            "an IPv4 or IPv6 address",
        ),
        _ => return Err(KeyError::Type(kind.to_owned())),
    };
    let (value, form) = read;
    let error = || KeyError::Value { text: text.to_owned(), kind: kind.to_owned(), form };
    value.ok_or_else(error)
}

const NUMBER: &str = "a whole number within the type's range";

/// Bytes as `0x…`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

/// Two's complement without the leading bytes that only repeat the sign.
fn varint(value: i128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let sign = if value < 0 { 0xff } else { 0 };
    let repeats =
        |pair: &&[u8]| matches!(pair, [first, next] if *first == sign && (next ^ sign) < 0x80);
    let spare = bytes.windows(2).take_while(repeats).count();
    bytes.get(spare..).unwrap_or_default().to_vec()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |pair: &[u8]| match pair {
        [_, _] => u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok(),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    (lengths == [8, 4, 4, 4, 12]).then(|| bytes(&groups.concat())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_bytes_of_their_type() {
        let cases: [(&str, &str, &[u8]); 17] = [
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
        ];
        for (kind, text, expected) in cases {
            assert_eq!(cell(kind, text).as_deref(), Ok(expected), "{kind} {text}");
        }
        let id = cell("uuid", "00112233-4455-6677-8899-aabbccddeeff").unwrap();
        assert_eq!(hex(&id), "0x00112233445566778899aabbccddeeff");
    }

    #[test]
    fn what_is_not_written_as_its_type_is_an_error_that_tells_how() {
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
        assert_eq!(cell("decimal", "1"), Err(KeyError::Type("decimal".to_owned())));
        let told = cell("boolean", "yes").unwrap_err().to_string();
        assert_eq!(told, "'yes' is no boolean: write true or false");
    }
}
