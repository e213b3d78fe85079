//! Cells as JSON, for `SELECT JSON` and `toJson` on system tables, spelled as ScyllaDB spells it.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::facade::literal::uuid_text;
use cql::cell;
use cql::column_type::ColumnType;
use cql::error::WireError;
use cql::notation::Reader;

/// How deep collections may nest; those of system tables do not.
const DEPTH_MAX: usize = 8;

/// Appends a cell as JSON. Bytes that do not fit their type come out as `null`.
pub fn put_cell(out: &mut String, kind: &ColumnType, cell: Option<&[u8]>) {
    put_nested(out, kind, cell, DEPTH_MAX);
}

/// Appends a JSON string.
pub fn put_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => put_number(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn put_nested(out: &mut String, kind: &ColumnType, cell: Option<&[u8]>, depth: usize) {
    let len = out.len();
    let written = cell.zip(depth.checked_sub(1)).map(|(cell, depth)| put(out, kind, cell, depth));
    if !matches!(written, Some(Ok(()))) {
        out.truncate(len);
        out.push_str("null");
    }
}

fn put(out: &mut String, kind: &ColumnType, bytes: &[u8], depth: usize) -> Result<(), WireError> {
    match kind {
        ColumnType::Varchar | ColumnType::Ascii => put_string(out, cell::text(bytes)?),
        ColumnType::Int => put_number(out, format_args!("{}", cell::int(bytes)?)),
        ColumnType::Bigint | ColumnType::Counter => {
            put_number(out, format_args!("{}", cell::bigint(bytes)?));
        }
        ColumnType::Boolean => put_number(out, format_args!("{}", cell::boolean(bytes)?)),
        ColumnType::Uuid | ColumnType::Timeuuid => put_string(out, &uuid_text(cell::uuid(bytes)?)),
        ColumnType::Inet => put_string(out, &inet_text(cell::inet(bytes)?)),
        ColumnType::List(element) | ColumnType::Set(element) => {
            out.push('[');
            for (index, part) in cell::list(bytes)?.into_iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                put_nested(out, element, part, depth);
            }
            out.push(']');
        }
        ColumnType::Map(key, value) => put_map(out, (key, value), bytes, depth)?,
        ColumnType::Custom(_)
        | ColumnType::Blob
        | ColumnType::Decimal
        | ColumnType::Double
        | ColumnType::Float
        | ColumnType::Timestamp
        | ColumnType::Varint
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Smallint
        | ColumnType::Tinyint
        | ColumnType::Duration
        | ColumnType::Udt { .. }
        | ColumnType::Tuple(_) => {
            out.push_str("\"0x");
            bytes.iter().for_each(|byte| put_number(out, format_args!("{byte:02x}")));
            out.push('"');
        }
    }
    Ok(())
}

fn put_map(
    out: &mut String,
    (key, value): (&ColumnType, &ColumnType),
    bytes: &[u8],
    depth: usize,
) -> Result<(), WireError> {
    let mut reader = Reader::new(bytes);
    out.push('{');
    for index in 0..reader.int()? {
        out.push_str(if index > 0 { ", " } else { "" });
        let mut name = String::new();
        put_nested(&mut name, key, reader.bytes()?, depth);
        // Keys are strings in JSON, whatever their type.
        if name.starts_with('"') {
            out.push_str(&name);
        } else {
            put_string(out, &name);
        }
        out.push_str(": ");
        put_nested(out, value, reader.bytes()?, depth);
    }
    out.push('}');
    Ok(())
}

fn put_number(out: &mut String, number: std::fmt::Arguments<'_>) {
    // Writing into a `String` cannot fail.
    out.write_fmt(number).unwrap_or_default();
}

fn inet_text(address: IpAddr) -> String {
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(kind: &ColumnType, cell: Option<&[u8]>) -> String {
        let mut out = String::new();
        put_cell(&mut out, kind, cell);
        out
    }

    #[test]
    fn cells_come_as_json() {
        assert_eq!(json(&ColumnType::Varchar, Some(b"a\"b\n\x01")), r#""a\"b\n\u0001""#);
        assert_eq!(json(&ColumnType::Int, Some(&[0, 0, 0, 7])), "7");
        assert_eq!(json(&ColumnType::Inet, Some(&[127, 0, 0, 1])), r#""127.0.0.1""#);
        assert_eq!(json(&ColumnType::Blob, Some(&[1, 255])), r#""0x01ff""#);
        let uuid = json(&ColumnType::Uuid, Some(&[1; 16]));
        assert_eq!(uuid, r#""01010101-0101-0101-0101-010101010101""#);
        let tokens = cell::from_text_list(&["-1", "7"]);
        assert_eq!(json(&ColumnType::set_of_text(), Some(&tokens)), r#"["-1", "7"]"#);
        let map = ColumnType::Map(Box::new(ColumnType::Varchar), Box::new(ColumnType::Varchar));
        let entries = cell::from_text_map(&[("a", "b"), ("c", "d")]);
        assert_eq!(json(&map, Some(&entries)), r#"{"a": "b", "c": "d"}"#);
    }

    #[test]
    fn what_does_not_fit_its_type_is_null() {
        assert_eq!(json(&ColumnType::Int, None), "null");
        assert_eq!(json(&ColumnType::Int, Some(&[1])), "null");
        assert_eq!(json(&ColumnType::set_of_text(), Some(&[0, 0, 0, 9, 0])), "null");
    }
}
