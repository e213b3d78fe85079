//! Values as JSON, for `toJson()` and `SELECT JSON`; JSON as terms, for `INSERT JSON`.

use serde_json::Value as Json;

use crate::cql::ast::Term;
use cql::values::column_type::ColumnType;
use cql::values::json::put_cell;
use cql::values::text as scalars;

/// The JSON of a value; null when absent.
pub(crate) fn text(column_type: &ColumnType, value: Option<&[u8]>) -> String {
    let mut out = String::new();
    put_cell(&mut out, column_type, value);
    out
}

/// A scalar as text, without quotes; also what CAST to text gives.
pub(crate) fn plain(column_type: &ColumnType, value: &[u8]) -> String {
    match value.is_empty() {
        true => String::new(),
        false => {
            scalars::scalar(column_type, value).unwrap_or_else(|| text(column_type, Some(value)))
        }
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
