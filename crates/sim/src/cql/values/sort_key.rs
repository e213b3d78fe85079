//! Values as bytes that sort like the values.
//!
//! Rows, sets and maps are stored in ordered trees keyed by these bytes, so that lookups and slices
//! need not know types. Each key marks its own end, hence keys can be joined, and the complement of
//! a key sorts in reverse.

use crate::cql::values::elements;
use crate::cql::values::varint;
use cql::values::column_type::ColumnType;

/// Appends the key of `value`; an empty or absent value sorts first.
pub(crate) fn push(out: &mut Vec<u8>, column_type: &ColumnType, value: &[u8]) {
    if value.is_empty() && !matches!(column_type, ColumnType::Varchar | ColumnType::Blob) {
        out.push(0);
        return;
    }
    out.push(1);
    match column_type {
        ColumnType::Tinyint
        | ColumnType::Smallint
        | ColumnType::Int
        | ColumnType::Bigint
        | ColumnType::Counter
        | ColumnType::Timestamp
        | ColumnType::Time => push_signed(out, value),
        ColumnType::Boolean | ColumnType::Date => out.extend_from_slice(value),
        ColumnType::Float | ColumnType::Double => push_float(out, value),
        ColumnType::Varint => push_varint(out, value),
        ColumnType::Decimal => push_decimal(out, value),
        ColumnType::Uuid => push_uuid(out, value, false),
        ColumnType::Timeuuid => push_uuid(out, value, true),
        ColumnType::Ascii
        | ColumnType::Varchar
        | ColumnType::Blob
        | ColumnType::Inet
        | ColumnType::Duration
        | ColumnType::Custom(_) => push_escaped(out, value),
        ColumnType::List(element) | ColumnType::Set(element) => {
            for part in elements::split(value, 1).unwrap_or_default() {
                out.push(1);
                push(out, element, part);
            }
            out.push(0);
        }
        ColumnType::Map(key, element) => {
            let parts = elements::split(value, 2).unwrap_or_default();
            for (at, part) in parts.into_iter().enumerate() {
                out.push(1);
                push(out, if at % 2 == 0 { key } else { element }, part);
            }
            out.push(0);
        }
        ColumnType::Tuple(types) => push_fields(out, types.iter(), value),
        ColumnType::Udt { fields, .. } => push_fields(out, fields.iter().map(|(_, t)| t), value),
    }
}

/// The key of one value.
pub(crate) fn key(column_type: &ColumnType, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 3);
    push(&mut out, column_type, value);
    out
}

/// The smallest key that is above every key beginning with `prefix`; `None` when there is none.
pub(crate) fn above(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut out = prefix.to_vec();
    while let Some(last) = out.pop() {
        if last < 0xff {
            out.push(last + 1);
            return Some(out);
        }
    }
    None
}

fn push_fields<'a>(out: &mut Vec<u8>, types: impl Iterator<Item = &'a ColumnType>, value: &[u8]) {
    let fields = elements::split_fields(value).unwrap_or_default();
    for (at, field_type) in types.enumerate() {
        match fields.get(at).copied().flatten() {
            Some(field) => {
                out.push(1);
                push(out, field_type, field);
            }
            None => out.push(0),
        }
    }
}

fn push_signed(out: &mut Vec<u8>, value: &[u8]) {
    if let Some((first, rest)) = value.split_first() {
        out.push(first ^ 0x80);
        out.extend_from_slice(rest);
    }
}

fn push_float(out: &mut Vec<u8>, value: &[u8]) {
    let negative = value.first().is_some_and(|first| *first >= 0x80);
    if negative {
        out.extend(value.iter().map(|byte| !byte));
    } else {
        push_signed(out, value);
    }
}

/// Sign and length first: more digits, farther from zero.
fn push_varint(out: &mut Vec<u8>, value: &[u8]) {
    let negative = value.first().is_some_and(|first| *first >= 0x80);
    let filler = if negative { 0xff } else { 0 };
    let digits: Vec<u8> = value.iter().copied().skip_while(|byte| *byte == filler).collect();
    let len = u32::try_from(digits.len()).unwrap_or(u32::MAX);
    let mut framed = len.to_be_bytes().to_vec();
    if negative {
        framed.iter_mut().for_each(|byte| *byte = !*byte);
    }
    out.push(u8::from(!negative));
    out.extend_from_slice(&framed);
    out.extend_from_slice(&digits);
}

/// Sign, place of the first digit, digits; 1.0 and 1.00 are equal.
fn push_decimal(out: &mut Vec<u8>, value: &[u8]) {
    let Some((scale, unscaled)) = value.split_first_chunk::<4>() else {
        return;
    };
    let text = varint::decode(unscaled);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        out.push(1);
        return;
    }
    let len = i64::try_from(significant.len()).unwrap_or(i64::MAX);
    let place = len.saturating_sub(i64::from(i32::from_be_bytes(*scale)));
    let mut body = Vec::new();
    push_signed(&mut body, &place.to_be_bytes());
    body.extend_from_slice(significant.trim_end_matches('0').as_bytes());
    body.push(0);
    if negative {
        body.iter_mut().for_each(|byte| *byte = !*byte);
    }
    out.push(if negative { 0 } else { 2 });
    out.extend_from_slice(&body);
}

/// Time-based uuids sort by their time, the others by version and bytes.
fn push_uuid(out: &mut Vec<u8>, value: &[u8], time: bool) {
    let Ok(bytes) = <[u8; 16]>::try_from(value) else {
        push_escaped(out, value);
        return;
    };
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let version = g >> 4;
    if !time {
        out.push(version);
    }
    if time || version == 1 {
        out.extend_from_slice(&[g & 0x0f, h, e, f, a, b, c, d]);
        if time {
            out.extend(rest.iter().map(|byte| byte ^ 0x80));
        } else {
            out.extend_from_slice(&rest);
        }
    } else {
        out.extend_from_slice(&bytes);
    }
}

/// Zero bytes are escaped, and two zeros end the key.
fn push_escaped(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::values::constant;

    #[test]
    fn keys_sort_like_their_values() {
        let cases: &[(ColumnType, &[&str])] = &[
            (ColumnType::Int, &["-2147483648", "-1", "0", "1", "300"]),
            (ColumnType::Double, &["-infinity", "-2.5", "-1", "0", "1e-5", "1", "3e10"]),
            (
                ColumnType::Varint,
                &["-70000", "-300", "-129", "-1", "0", "1", "127", "128", "70000"],
            ),
            (
                ColumnType::Decimal,
                &["-100", "-1.5", "-0.01", "0", "0.001", "0.1", "1", "1.5", "20"],
            ),
            (ColumnType::Varchar, &["", "a", "a\0", "a\0b", "ab", "b"]),
            (ColumnType::Date, &["1969-12-31", "1970-01-01", "2020-02-02"]),
        ];
        for (column_type, texts) in cases {
            let keys: Vec<Vec<u8>> = texts
                .iter()
                .map(|text| key(column_type, &constant::scalar(text, column_type).unwrap()))
                .collect();
            assert!(keys.is_sorted(), "{column_type:?}");
            assert!(
                keys.iter().rev().map(|k| k.iter().map(|b| !b).collect::<Vec<_>>()).is_sorted()
            );
        }
    }
}
