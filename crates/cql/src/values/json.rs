//! Cells as JSON, for `SELECT JSON` and `toJson`, spelled as ScyllaDB spells it.

use std::fmt::Display;

use num_bigint::BigInt;
use time::Date;
use uuid::Uuid;

use crate::error::WireError;
use crate::notation::Reader;
use crate::values::calendar::{EPOCH_JULIAN, MILLIS_A_DAY, NANOS_A_SECOND};
use crate::values::cell;
use crate::values::column_type::ColumnType;

/// How deep values may nest.
const DEPTH_MAX: usize = 32;
/// Most digits that are written behind the point of a decimal; more are written with an exponent.
const SCALE_MAX: usize = 1000;

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
    if !matches!(written, Some(Ok(()))) {
        out.truncate(len);
        out.push_str("null");
    }
}

fn put(out: &mut String, kind: &ColumnType, bytes: &[u8], depth: usize) -> Result<(), WireError> {
    match kind {
        ColumnType::Varchar | ColumnType::Ascii => put_string(out, cell::text(bytes)?),
        ColumnType::Uuid | ColumnType::Timeuuid => {
            put_quoted(out, Uuid::from_bytes(cell::uuid(bytes)?));
        }
        ColumnType::Inet => put_quoted(out, cell::inet(bytes)?),
        ColumnType::Date => put_quoted(out, date(u32::from_be_bytes(array(bytes)?))),
        ColumnType::Time => put_quoted(out, time_of_day(cell::bigint(bytes)?)),
        ColumnType::Timestamp => put_quoted(out, timestamp(cell::bigint(bytes)?)),
        // No bytes at all are a value of every scalar.
        ColumnType::Int
        | ColumnType::Smallint
        | ColumnType::Tinyint
        | ColumnType::Bigint
        | ColumnType::Counter
        | ColumnType::Varint
        | ColumnType::Decimal
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Boolean
            if bytes.is_empty() =>
        {
            out.push_str("\"\"");
        }
        ColumnType::Int => put_plain(out, cell::int(bytes)?),
        ColumnType::Smallint => put_plain(out, i16::from_be_bytes(array(bytes)?)),
        ColumnType::Tinyint => put_plain(out, i8::from_be_bytes(array(bytes)?)),
        ColumnType::Bigint | ColumnType::Counter => put_plain(out, cell::bigint(bytes)?),
        ColumnType::Varint => put_plain(out, BigInt::from_signed_bytes_be(bytes)),
        ColumnType::Decimal => put_plain(out, decimal(bytes)?),
        ColumnType::Float => put_plain(out, f32::from_be_bytes(array(bytes)?)),
        ColumnType::Double => put_plain(out, f64::from_be_bytes(array(bytes)?)),
        ColumnType::Boolean => put_plain(out, cell::boolean(bytes)?),
        ColumnType::List(element) | ColumnType::Set(element) => {
            let elements = cell::list(bytes)?;
            put_array(out, elements.into_iter().map(|part| (&**element, part)), depth);
        }
        ColumnType::Map(key, value) => put_map(out, key, value, bytes, depth)?,
        ColumnType::Tuple(kinds) => {
            let mut reader = Reader::new(bytes);
            let parts: Result<Vec<_>, _> =
                kinds.iter().map(|kind| Ok((kind, part(&mut reader)?))).collect();
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
        ColumnType::Custom(_) | ColumnType::Blob | ColumnType::Duration => {
            put_quoted(out, format_args!("0x{}", hex::encode(bytes)));
        }
    }
    Ok(())
}

/// A part of a tuple; null when the value ends before it.
fn part<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, WireError> {
    if reader.rest().is_empty() { Ok(None) } else { reader.bytes() }
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
) -> Result<(), WireError> {
    let mut reader = Reader::new(bytes);
    out.push('{');
    for index in 0..reader.int()? {
        out.push_str(if index > 0 { ", " } else { "" });
        let mut name = String::new();
        put_nested(&mut name, key, reader.bytes()?, depth);
        // Keys of every type are strings in JSON.
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

fn put_plain(out: &mut String, value: impl Display) {
    out.push_str(&value.to_string());
}

/// Appends what needs no escapes as a string.
fn put_quoted(out: &mut String, value: impl Display) {
    out.push('"');
    put_plain(out, value);
    out.push('"');
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], WireError> {
    bytes.try_into().map_err(|_| WireError::Truncated { expected: N, left: bytes.len() })
}

/// `yyyy-mm-dd`; the number of days when the calendar has no such year.
fn date(raw: u32) -> String {
    date_of(i64::from(raw) - (1 << 31))
}

fn date_of(days: i64) -> String {
    let julian =
        days.checked_add(i64::from(EPOCH_JULIAN)).and_then(|days| i32::try_from(days).ok());
    match julian.and_then(|julian| Date::from_julian_day(julian).ok()) {
        Some(date) => {
            let (year, month, day) = date.to_calendar_date();
            format!("{year:04}-{:02}-{day:02}", u8::from(month))
        }
        None => days.to_string(),
    }
}

/// `hh:mm:ss.nnnnnnnnn`.
fn time_of_day(nanos: i64) -> String {
    let seconds = nanos / NANOS_A_SECOND;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:09}", seconds % 60, nanos % NANOS_A_SECOND)
}

/// `yyyy-mm-dd hh:mm:ss.mmmZ`.
fn timestamp(millis: i64) -> String {
    let (day, rest) = (millis.div_euclid(MILLIS_A_DAY), millis.rem_euclid(MILLIS_A_DAY));
    let clock = time_of_day(rest * 1_000_000);
    format!("{} {}Z", date_of(day), clock.get(..12).unwrap_or(&clock))
}

fn decimal(bytes: &[u8]) -> Result<String, WireError> {
    let mut reader = Reader::new(bytes);
    let scale = reader.int()?;
    let text = BigInt::from_signed_bytes_be(reader.rest()).to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", &*text), |digits| ("-", digits));
    Ok(match usize::try_from(scale) {
        Ok(0) => text,
        Ok(scale) if scale <= SCALE_MAX => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Ok(_) | Err(_) => format!("{sign}{digits}E{}", -i64::from(scale)),
    })
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
        let cases: [(ColumnType, &[u8], &str); 13] = [
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
