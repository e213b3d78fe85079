//! Collections and tuples as bytes (native protocol v4 section 6).

use cql::notation;
use cql::notation::Reader;

/// A list or set of `parts`; for a map, keys and values in turn with `count` pairs.
pub(crate) fn join<'a>(count: usize, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    notation::put_int(&mut out, i32::try_from(count).unwrap_or(i32::MAX));
    for part in parts {
        notation::put_bytes(&mut out, Some(part));
    }
    out
}

/// The elements of a list or set (`parts` 1), or keys and values of a map in turn (`parts` 2).
pub(crate) fn split(bytes: &[u8], parts: usize) -> Option<Vec<&[u8]>> {
    let mut reader = Reader::new(bytes);
    let count = usize::try_from(reader.int().ok()?).ok()?.checked_mul(parts)?;
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(reader.bytes().ok()??);
    }
    reader.rest().is_empty().then_some(elements)
}

/// A tuple or user-defined value.
pub(crate) fn join_fields<'a>(fields: impl IntoIterator<Item = Option<&'a [u8]>>) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        notation::put_bytes(&mut out, field);
    }
    out
}

/// The fields of a tuple or user-defined value; fewer than its type has when it was cut short.
pub(crate) fn split_fields(bytes: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let mut reader = Reader::new(bytes);
    let mut fields = Vec::new();
    while !reader.rest().is_empty() {
        fields.push(reader.bytes().ok()?);
    }
    Some(fields)
}

/// The serialized partition key: a single component as it is, several with lengths.
pub(crate) fn join_key(components: &[Vec<u8>]) -> Vec<u8> {
    if let [single] = components {
        return single.clone();
    }
    let mut out = Vec::new();
    for component in components {
        let len = u16::try_from(component.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(component);
        out.push(0);
    }
    out
}
