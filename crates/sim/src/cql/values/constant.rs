//! Literals → bytes.

use std::net::IpAddr;

use uuid::Uuid;

use crate::cql::ast::Term;
use crate::cql::error::CqlError;
use crate::cql::type_name;
use crate::cql::values::calendar;
use crate::cql::values::duration;
use crate::cql::values::varint;
use cql::values::calendar::DATE_EPOCH;
use cql::values::column_type::ColumnType;

/// The bytes of a scalar literal for a column called `name`.
///
/// Other terms are refused: a collection literal comes here only if the column is no collection.
pub(crate) fn encode(
    term: &Term,
    column_type: &ColumnType,
    name: &str,
) -> Result<Vec<u8>, CqlError> {
    let (kind, text) = match term {
        Term::Text(text) => ("STRING", text.clone()),
        Term::Integer(text) => ("INTEGER", text.clone()),
        Term::Float(text) => ("FLOAT", text.clone()),
        Term::Boolean(value) => ("BOOLEAN", value.to_string()),
        Term::Uuid(text) => ("UUID", text.clone()),
        Term::Hex(text) => ("HEX", text.clone()),
        Term::Duration(text) => ("DURATION", text.clone()),
        Term::List(_) => return Err(literal("list", column_type, name)),
        Term::Set(_) => return Err(literal("set", column_type, name)),
        Term::Map(_) => return Err(literal("map", column_type, name)),
        Term::Tuple(_) => return Err(literal("tuple", column_type, name)),
        Term::Fields(_) => return Err(literal("user type", column_type, name)),
        Term::Null | Term::Marker(_) | Term::Call(..) | Term::Cast(..) => {
            return Err(literal("scalar", column_type, name));
        }
    };
    if kind == "HEX" && !text.len().is_multiple_of(2) {
        let text = "A hex string representing bytes must have an even length";
        return Err(CqlError::Server(text.to_owned()));
    }
    if !is_assignable(kind, column_type) {
        return Err(CqlError::invalid(format!(
            "Invalid {kind} constant ({text}) for \"{name}\" of type {}",
            type_name::cql_name(column_type, false)
        )));
    }
    scalar(&text, column_type).ok_or_else(|| {
        let type_name = type_name::cql_name(column_type, false);
        CqlError::invalid(match kind {
            "STRING" | "INTEGER" | "HEX" => {
                format!("marshaling error: unable to make {type_name} from '{text}'")
            }
            _ => format!("Invalid {kind} constant ({text}) for \"{name}\" of type {type_name}"),
        })
    })
}

fn literal(kind: &str, column_type: &ColumnType, name: &str) -> CqlError {
    let type_name = type_name::cql_name(column_type, false);
    CqlError::invalid(format!("Invalid {kind} literal for {name} of type {type_name}"))
}

/// Which kinds of literal fit which type (the server's `test_assignment`).
fn is_assignable(kind: &str, column_type: &ColumnType) -> bool {
    use ColumnType as T;
    match kind {
        "STRING" => matches!(
            column_type,
            T::Ascii | T::Varchar | T::Inet | T::Timestamp | T::Date | T::Time | T::Custom(_)
        ),
        "INTEGER" => matches!(
            column_type,
            T::Bigint
                | T::Counter
                | T::Date
                | T::Decimal
                | T::Double
                | T::Float
                | T::Int
                | T::Smallint
                | T::Time
                | T::Timestamp
                | T::Tinyint
                | T::Varint
        ),
        "FLOAT" => matches!(column_type, T::Decimal | T::Double | T::Float),
        "BOOLEAN" => matches!(column_type, T::Boolean),
        "UUID" => matches!(column_type, T::Uuid | T::Timeuuid),
        "HEX" => matches!(column_type, T::Blob),
        "DURATION" => matches!(column_type, T::Duration),
        _ => false,
    }
}

/// The bytes of `text` read as a scalar of `column_type`.
pub(crate) fn scalar(text: &str, column_type: &ColumnType) -> Option<Vec<u8>> {
    Some(match column_type {
        ColumnType::Ascii => text.is_ascii().then(|| text.as_bytes().to_vec())?,
        ColumnType::Varchar | ColumnType::Custom(_) => text.as_bytes().to_vec(),
        ColumnType::Bigint | ColumnType::Counter => {
            text.parse::<i64>().ok()?.to_be_bytes().to_vec()
        }
        ColumnType::Int => text.parse::<i32>().ok()?.to_be_bytes().to_vec(),
        ColumnType::Smallint => text.parse::<i16>().ok()?.to_be_bytes().to_vec(),
        ColumnType::Tinyint => text.parse::<i8>().ok()?.to_be_bytes().to_vec(),
        ColumnType::Varint => varint::encode(text)?,
        ColumnType::Decimal => varint::encode_decimal(text)?,
        ColumnType::Double => text.parse::<f64>().ok()?.to_be_bytes().to_vec(),
        ColumnType::Float => text.parse::<f32>().ok()?.to_be_bytes().to_vec(),
        ColumnType::Boolean => vec![u8::from(text.eq_ignore_ascii_case("true"))],
        ColumnType::Blob => hex::decode(text.get(2..)?).ok()?,
        ColumnType::Uuid | ColumnType::Timeuuid => {
            let uuid = Uuid::try_parse(text).ok()?;
            let is_time = uuid.get_version_num() == 1;
            let fits = is_time || *column_type == ColumnType::Uuid;
            fits.then(|| uuid.into_bytes().to_vec())?
        }
        ColumnType::Inet => match text.parse::<IpAddr>().ok()? {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        },
        ColumnType::Timestamp => calendar::parse_timestamp(text)?.to_be_bytes().to_vec(),
        ColumnType::Date => match text.parse::<i64>() {
            Ok(raw) => u32::try_from(raw).ok()?.to_be_bytes().to_vec(),
            Err(_) => {
                let shifted = calendar::parse_date(text)?.checked_add(DATE_EPOCH)?;
                u32::try_from(shifted).ok()?.to_be_bytes().to_vec()
            }
        },
        ColumnType::Time => match text.parse::<i64>() {
            Ok(nanos) => nanos.to_be_bytes().to_vec(),
            Err(_) => calendar::parse_time(text)?.to_be_bytes().to_vec(),
        },
        ColumnType::Duration => duration::encode(duration::parse(text)?),
        ColumnType::List(_)
        | ColumnType::Map(..)
        | ColumnType::Set(_)
        | ColumnType::Udt { .. }
        | ColumnType::Tuple(_) => return None,
    })
}
