//! Bytes that do not fit their type, refused with the server's words.

use crate::cql::error::CqlError;
use crate::cql::values::elements;
use cql::values::column_type::ColumnType;

/// Refuses `value` when it is no value of `column_type`; empty values fit scalars.
pub(crate) fn check(column_type: &ColumnType, value: &[u8], name: &str) -> Result<(), CqlError> {
    fault(column_type, value).map_or(Ok(()), |fault| {
        Err(CqlError::invalid(format!(
            "Exception while binding column {name}: marshaling error: {fault}"
        )))
    })
}

fn fault(column_type: &ColumnType, value: &[u8]) -> Option<String> {
    let sized = |sizes: &[usize]| {
        let fits = value.is_empty() || sizes.contains(&value.len());
        (!fits).then(|| {
            let expected = sizes.first().copied().unwrap_or(0);
            format!("Validation failed for type: got {} bytes, expected {expected}", value.len())
        })
    };
    match column_type {
        ColumnType::Tinyint | ColumnType::Boolean => sized(&[1]),
        ColumnType::Smallint => sized(&[2]),
        ColumnType::Int | ColumnType::Float | ColumnType::Date => sized(&[4]),
        ColumnType::Bigint
        | ColumnType::Counter
        | ColumnType::Double
        | ColumnType::Timestamp
        | ColumnType::Time => sized(&[8]),
        ColumnType::Uuid => sized(&[16]),
        ColumnType::Timeuuid => sized(&[16]).or_else(|| {
            let version = value.get(6).map(|byte| byte >> 4);
            version.filter(|version| *version != 1).map(|version| {
                format!("Unsupported UUID version ({version}), expected 1 for timeuuid")
            })
        }),
        ColumnType::Inet => sized(&[4, 16]),
        ColumnType::Decimal => (!value.is_empty() && value.len() < 5)
            .then(|| format!("decimal value too short: {} bytes", value.len())),
        ColumnType::Ascii => value.iter().position(|byte| *byte >= 0x80).map(|at| {
            format!("Validation failed - non-ASCII character in an ASCII string at {at}")
        }),
        ColumnType::Varchar => std::str::from_utf8(value).err().map(|error| {
            format!(
                "Validation failed - non-UTF8 character in a UTF8 string, at byte offset {}",
                error.valid_up_to()
            )
        }),
        ColumnType::Blob | ColumnType::Varint | ColumnType::Duration | ColumnType::Custom(_) => {
            None
        }
        ColumnType::List(element) | ColumnType::Set(element) => {
            nested(value, 1, |_| Some(element.as_ref()))
        }
        ColumnType::Map(key, element) => {
            nested(value, 2, |at| Some(if at % 2 == 0 { key } else { element }))
        }
        ColumnType::Tuple(types) => fields(value, &types.iter().collect::<Vec<_>>()),
        ColumnType::Udt { fields: parts, .. } => {
            fields(value, &parts.iter().map(|(_, field)| field).collect::<Vec<_>>())
        }
    }
}

fn nested<'a>(
    value: &[u8],
    parts: usize,
    type_at: impl Fn(usize) -> Option<&'a ColumnType>,
) -> Option<String> {
    if value.is_empty() {
        return Some("not enough bytes to read a collection size".to_owned());
    }
    let Some(elements) = elements::split(value, parts) else {
        return Some("malformed collection".to_owned());
    };
    elements.into_iter().enumerate().find_map(|(at, element)| fault(type_at(at)?, element))
}

fn fields(value: &[u8], types: &[&ColumnType]) -> Option<String> {
    let Some(fields) = elements::split_fields(value) else {
        return Some("malformed tuple".to_owned());
    };
    if fields.len() > types.len() {
        return Some(format!("{} fields, expected {}", fields.len(), types.len()));
    }
    fields.into_iter().zip(types).find_map(|(field, field_type)| fault(field_type, field?))
}
