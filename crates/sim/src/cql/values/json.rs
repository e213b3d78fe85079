//! Values as JSON, for `toJson()` and `SELECT JSON`; JSON as terms, for `INSERT JSON`.

use serde_json::Value as Json;
use uuid::Uuid;

use crate::cql::ast::Term;
use crate::cql::values::calendar;
use crate::cql::values::duration;
use crate::cql::values::elements;
use crate::cql::values::varint;
use cql::values::column_type::ColumnType;

/// The JSON of a value; null when absent.
pub(crate) fn text(column_type: &ColumnType, value: Option<&[u8]>) -> String {
    let Some(value) = value else {
        return "null".to_owned();
    };
    match column_type {
        ColumnType::List(element) | ColumnType::Set(element) => {
            let parts = elements::split(value, 1).unwrap_or_default();
            let parts: Vec<String> = parts.into_iter().map(|p| text(element, Some(p))).collect();
            format!("[{}]", parts.join(", "))
        }
        ColumnType::Map(key, element) => {
            let parts = elements::split(value, 2).unwrap_or_default();
            let pairs: Vec<String> = parts
                .chunks_exact(2)
                .filter_map(|pair| {
                    let name = plain(key, pair.first()?);
                    Some(format!("{}: {}", quote(&name), text(element, pair.last().copied())))
                })
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        ColumnType::Tuple(types) => {
            let fields = elements::split_fields(value).unwrap_or_default();
            let parts: Vec<String> = types
                .iter()
                .enumerate()
                .map(|(at, part)| text(part, fields.get(at).copied().flatten()))
                .collect();
            format!("[{}]", parts.join(", "))
        }
        ColumnType::Udt { fields: parts, .. } => {
            let fields = elements::split_fields(value).unwrap_or_default();
            let pairs: Vec<String> = parts
                .iter()
                .enumerate()
                .map(|(at, (name, part))| {
                    format!("{}: {}", quote(name), text(part, fields.get(at).copied().flatten()))
                })
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        ColumnType::Ascii
        | ColumnType::Varchar
        | ColumnType::Blob
        | ColumnType::Uuid
        | ColumnType::Timeuuid
        | ColumnType::Inet
        | ColumnType::Timestamp
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Duration
        | ColumnType::Custom(_) => quote(&plain(column_type, value)),
        ColumnType::Bigint
        | ColumnType::Boolean
        | ColumnType::Counter
        | ColumnType::Decimal
        | ColumnType::Double
        | ColumnType::Float
        | ColumnType::Int
        | ColumnType::Varint
        | ColumnType::Smallint
        | ColumnType::Tinyint => match value.is_empty() {
            true => "\"\"".to_owned(),
            false => plain(column_type, value),
        },
    }
}

/// A scalar as text, without quotes; also what CAST to text gives.
pub(crate) fn plain(column_type: &ColumnType, value: &[u8]) -> String {
    let i64_of = || <[u8; 8]>::try_from(value).map(i64::from_be_bytes).unwrap_or_default();
    match column_type {
        ColumnType::Ascii | ColumnType::Varchar | ColumnType::Custom(_) => {
            String::from_utf8_lossy(value).into_owned()
        }
        ColumnType::Bigint | ColumnType::Counter => i64_of().to_string(),
        ColumnType::Int | ColumnType::Smallint | ColumnType::Tinyint | ColumnType::Varint => {
            varint::decode(value)
        }
        ColumnType::Decimal => varint::decode_decimal(value).unwrap_or_default(),
        ColumnType::Double => {
            let double = <[u8; 8]>::try_from(value).map(f64::from_be_bytes).unwrap_or_default();
            double.to_string()
        }
        ColumnType::Float => {
            let float = <[u8; 4]>::try_from(value).map(f32::from_be_bytes).unwrap_or_default();
            float.to_string()
        }
        ColumnType::Boolean => (value.first() == Some(&1)).to_string(),
        ColumnType::Blob => format!("0x{}", hex::encode(value)),
        ColumnType::Uuid | ColumnType::Timeuuid => {
            Uuid::from_slice(value).map(|uuid| uuid.to_string()).unwrap_or_default()
        }
        ColumnType::Inet => match (<[u8; 4]>::try_from(value), <[u8; 16]>::try_from(value)) {
            (Ok(v4), _) => std::net::Ipv4Addr::from(v4).to_string(),
            (_, Ok(v6)) => std::net::Ipv6Addr::from(v6).to_string(),
            _ => String::new(),
        },
        ColumnType::Timestamp => calendar::timestamp_text(i64_of()),
        ColumnType::Date => {
            let raw = <[u8; 4]>::try_from(value).map(u32::from_be_bytes).unwrap_or_default();
            calendar::date_text(i64::from(raw) - (1 << 31))
        }
        ColumnType::Time => calendar::time_text(i64_of()),
        ColumnType::Duration => duration::decode(value).map(duration::text).unwrap_or_default(),
        ColumnType::List(_)
        | ColumnType::Map(..)
        | ColumnType::Set(_)
        | ColumnType::Udt { .. }
        | ColumnType::Tuple(_) => text(column_type, Some(value)),
    }
}

/// A JSON string.
pub(crate) fn quote(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

/// The columns and terms of a JSON object; `None` when `text` is none.
pub(crate) fn fields(text: &str) -> Option<Vec<(String, Json)>> {
    match serde_json::from_str(text).ok()? {
        Json::Object(object) => Some(object.into_iter().collect()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => None,
    }
}

/// The term that a JSON value stands for in a column of `column_type`.
pub(crate) fn term(json: &Json, column_type: &ColumnType) -> Term {
    match (json, column_type) {
        (Json::Null, _) => Term::Null,
        (Json::Array(parts), ColumnType::List(element)) => {
            Term::List(parts.iter().map(|part| term(part, element)).collect())
        }
        (Json::Array(parts), ColumnType::Set(element)) => {
            Term::Set(parts.iter().map(|part| term(part, element)).collect())
        }
        (Json::Array(parts), ColumnType::Tuple(types)) => {
            Term::Tuple(parts.iter().zip(types).map(|(part, t)| term(part, t)).collect())
        }
        (Json::Object(object), ColumnType::Map(key, element)) => Term::Map(
            object.iter().map(|(name, part)| (scalar(name, key), term(part, element))).collect(),
        ),
        (Json::Object(object), ColumnType::Udt { fields: parts, .. }) => Term::Fields(
            parts
                .iter()
                .map(|(name, part)| {
                    (name.clone(), object.get(name).map_or(Term::Null, |json| term(json, part)))
                })
                .collect(),
        ),
        (Json::String(text), _) => scalar(text, column_type),
        (Json::Bool(value), _) => Term::Boolean(*value),
        (json, _) => scalar(&json.to_string(), column_type),
    }
}

/// The literal of the kind that `column_type` takes.
fn scalar(text: &str, column_type: &ColumnType) -> Term {
    let text = text.to_owned();
    match column_type {
        ColumnType::Blob => Term::Hex(text),
        ColumnType::Boolean => Term::Boolean(text == "true"),
        ColumnType::Uuid | ColumnType::Timeuuid => Term::Uuid(text),
        ColumnType::Double | ColumnType::Float | ColumnType::Decimal => Term::Float(text),
        ColumnType::Duration => Term::Duration(text),
        ColumnType::Bigint
        | ColumnType::Counter
        | ColumnType::Int
        | ColumnType::Varint
        | ColumnType::Smallint
        | ColumnType::Tinyint => Term::Integer(text),
        ColumnType::Custom(_)
        | ColumnType::Ascii
        | ColumnType::Varchar
        | ColumnType::Timestamp
        | ColumnType::Inet
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::List(_)
        | ColumnType::Map(..)
        | ColumnType::Set(_)
        | ColumnType::Udt { .. }
        | ColumnType::Tuple(_) => Term::Text(text),
    }
}
