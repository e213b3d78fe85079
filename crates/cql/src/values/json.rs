//! Cells as JSON, for `SELECT JSON` and `toJson`, spelled as ScyllaDB spells it.

use crate::notation::Reader;
use crate::values::cell;
use crate::values::column_type::ColumnType;
use crate::values::text;

/// How deep values may nest.
const DEPTH_MAX: usize = 32;

/// Appends a cell as JSON. Bytes that do not fit their type come out as `null`.
pub fn put_cell(out: &mut String, kind: &ColumnType, cell: Option<&[u8]>) {
    put_nested(out, kind, cell, DEPTH_MAX);
}

/// Appends a JSON string.
pub fn put_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn put_nested(out: &mut String, kind: &ColumnType, cell: Option<&[u8]>, depth: usize) {
    let len = out.len();
    let written = cell.zip(depth.checked_sub(1)).map(|(cell, depth)| put(out, kind, cell, depth));
    if written.flatten().is_none() {
        out.truncate(len);
        out.push_str("null");
    }
}

/// Appends a value; `None` when its bytes do not fit its type.
fn put(out: &mut String, kind: &ColumnType, bytes: &[u8], depth: usize) -> Option<()> {
    match kind {
        ColumnType::Varchar
        | ColumnType::Ascii
        | ColumnType::Uuid
        | ColumnType::Timeuuid
        | ColumnType::Inet
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::Duration
        | ColumnType::Custom(_)
        | ColumnType::Blob => put_string(out, &text::scalar(kind, bytes)?),
        ColumnType::Int
        | ColumnType::Smallint
        | ColumnType::Tinyint
        | ColumnType::Bigint
        | ColumnType::Counter
        | ColumnType::Varint
        | ColumnType::Decimal
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Boolean => match bytes.is_empty() {
            // No bytes at all are a value of every scalar.
            true => out.push_str("\"\""),
            false => out.push_str(&text::scalar(kind, bytes)?),
        },
        ColumnType::List(element) | ColumnType::Set(element) => {
            let elements = cell::list(bytes).ok()?;
            put_array(out, elements.into_iter().map(|part| (&**element, part)), depth);
        }
        ColumnType::Map(key, value) => put_map(out, key, value, bytes, depth)?,
        ColumnType::Tuple(kinds) => {
            let mut reader = Reader::new(bytes);
            let parts: Option<Vec<_>> =
                kinds.iter().map(|kind| Some((kind, part(&mut reader)?))).collect();
            put_array(out, parts?.into_iter(), depth);
        }
        ColumnType::Udt { fields, .. } => {
            let mut reader = Reader::new(bytes);
            for (index, (name, kind)) in fields.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "{" });
                put_string(out, name);
                out.push_str(": ");
                put_nested(out, kind, part(&mut reader)?, depth);
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
    }
    Some(())
}

/// A part of a tuple, which is null when the value ends before it; `None` when it is cut short.
fn part<'a>(reader: &mut Reader<'a>) -> Option<Option<&'a [u8]>> {
    if reader.rest().is_empty() { Some(None) } else { reader.bytes().ok() }
}

fn put_array<'k, 'a>(
    out: &mut String,
    parts: impl Iterator<Item = (&'k ColumnType, Option<&'a [u8]>)>,
    depth: usize,
) {
    out.push('[');
    for (index, (kind, part)) in parts.enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        put_nested(out, kind, part, depth);
    }
    out.push(']');
}

fn put_map(
    out: &mut String,
    key: &ColumnType,
    value: &ColumnType,
    bytes: &[u8],
    depth: usize,
) -> Option<()> {
    let mut reader = Reader::new(bytes);
    out.push('{');
    for index in 0..reader.int().ok()? {
        out.push_str(if index > 0 { ", " } else { "" });
        let mut name = String::new();
        put_nested(&mut name, key, reader.bytes().ok()?, depth);
        // Keys of every type are strings in JSON.
        if name.starts_with('"') {
            out.push_str(&name);
        } else {
            put_string(out, &name);
        }
        out.push_str(": ");
        put_nested(out, value, reader.bytes().ok()?, depth);
    }
    out.push('}');
    Some(())
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
    fn every_scalar_has_its_form() {
        let cases: [(ColumnType, &[u8], &str); 14] = [
            (ColumnType::Tinyint, &[0xff], "-1"),
            (ColumnType::Smallint, &[1, 2], "258"),
            (ColumnType::Varint, &[0, 0x80], "128"),
            (ColumnType::Decimal, &[0, 0, 0, 2, 0, 150], "1.50"),
            (ColumnType::Decimal, &[0, 0, 0, 1, 0xff], "-0.1"),
            (ColumnType::Decimal, &[0xff, 0xff, 0xff, 0xfe, 15], "15E2"),
            (ColumnType::Float, &[0x3f, 0xc0, 0, 0], "1.5"),
            (ColumnType::Double, &[0xc0, 0, 0, 0, 0, 0, 0, 0], "-2"),
            (ColumnType::Date, &[0x80, 0, 0x2b, 0x08], r#""2000-02-29""#),
            (ColumnType::Time, &[0, 0, 0, 0, 0x3b, 0x9a, 0xca, 0], r#""00:00:01.000000000""#),
            (ColumnType::Timestamp, &[0, 0, 0, 0, 0, 0, 5, 0xdc], r#""1970-01-01 00:00:01.500Z""#),
            (ColumnType::Duration, &[2, 4, 6], r#""1mo2d3ns""#),
            (ColumnType::Int, &[], r#""""#),
            (ColumnType::Date, &[0; 4], r#""-2147483648""#),
        ];
        for (kind, bytes, expected) in cases {
            assert_eq!(json(&kind, Some(bytes)), expected, "{kind:?}");
        }
    }

    #[test]
    fn tuples_are_arrays_and_types_objects() {
        let part = [0, 0, 0, 1, 7];
        let tuple = ColumnType::Tuple(vec![ColumnType::Tinyint, ColumnType::Varchar]);
        assert_eq!(json(&tuple, Some(&part)), "[7, null]");
        let fields =
            vec![("a".to_owned(), ColumnType::Tinyint), ("b".to_owned(), ColumnType::Varchar)];
        let udt = ColumnType::Udt { keyspace: "ks".to_owned(), name: "t".to_owned(), fields };
        assert_eq!(json(&udt, Some(&part)), r#"{"a": 7, "b": null}"#);
    }

    #[test]
    fn bytes_that_do_not_fit_their_type_are_null() {
        assert_eq!(json(&ColumnType::Int, None), "null");
        assert_eq!(json(&ColumnType::Int, Some(&[1])), "null");
        assert_eq!(json(&ColumnType::set_of_text(), Some(&[0, 0, 0, 9, 0])), "null");
    }
}
