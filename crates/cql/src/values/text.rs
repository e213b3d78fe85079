//! Scalars as text without quotes: what servers put into JSON, and what a CAST to text gives.

use num_bigint::BigInt;
use time::Date;
use uuid::Uuid;

use crate::notation::Reader;
use crate::values::calendar::{EPOCH_JULIAN, MILLIS_A_DAY, NANOS_A_SECOND};
use crate::values::cell;
use crate::values::column_type::ColumnType;

/// Most digits that are written behind the point of a decimal; more are written with an exponent.
const SCALE_MAX: usize = 1000;

/// The text of a scalar; `None` when the bytes do not fit the type, or the type is no scalar. Types without a text of
/// their own are bytes in hexadecimal.
#[must_use]
pub fn scalar(kind: &ColumnType, bytes: &[u8]) -> Option<String> {
    Some(match kind {
        ColumnType::Varchar | ColumnType::Ascii => cell::text(bytes).ok()?.to_owned(),
        ColumnType::Uuid | ColumnType::Timeuuid => {
            Uuid::from_bytes(cell::uuid(bytes).ok()?).to_string()
        }
        ColumnType::Inet => cell::inet(bytes).ok()?.to_string(),
        ColumnType::Date => date(i64::from(u32::from_be_bytes(array(bytes)?)) - (1 << 31)),
        ColumnType::Time => time_of_day(cell::bigint(bytes).ok()?),
        ColumnType::Timestamp => timestamp(cell::bigint(bytes).ok()?),
        ColumnType::Int => cell::int(bytes).ok()?.to_string(),
        ColumnType::Smallint => i16::from_be_bytes(array(bytes)?).to_string(),
        ColumnType::Tinyint => i8::from_be_bytes(array(bytes)?).to_string(),
        ColumnType::Bigint | ColumnType::Counter => cell::bigint(bytes).ok()?.to_string(),
        ColumnType::Varint => BigInt::from_signed_bytes_be(bytes).to_string(),
        ColumnType::Decimal => decimal(bytes)?,
        ColumnType::Float => f32::from_be_bytes(array(bytes)?).to_string(),
        ColumnType::Double => f64::from_be_bytes(array(bytes)?).to_string(),
        ColumnType::Boolean => cell::boolean(bytes).ok()?.to_string(),
        ColumnType::Duration => duration(bytes)?,
        ColumnType::Custom(_) | ColumnType::Blob => format!("0x{}", hex::encode(bytes)),
        ColumnType::List(_)
        | ColumnType::Set(_)
        | ColumnType::Map(..)
        | ColumnType::Tuple(_)
        | ColumnType::Udt { .. } => return None,
    })
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// `yyyy-mm-dd` of a number of days since 1970; that number when the calendar has no such year.
#[must_use]
pub fn date(days: i64) -> String {
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

/// `yyyy-mm-dd hh:mm:ss.mmmZ` of milliseconds since 1970.
#[must_use]
pub fn timestamp(millis: i64) -> String {
    let (day, rest) = (millis.div_euclid(MILLIS_A_DAY), millis.rem_euclid(MILLIS_A_DAY));
    let clock = time_of_day(rest * 1_000_000);
    format!("{} {}Z", date(day), clock.get(..12).unwrap_or(&clock))
}

/// A decimal: the scale, then the digits as a varint.
fn decimal(bytes: &[u8]) -> Option<String> {
    let mut reader = Reader::new(bytes);
    let scale = reader.int().ok()?;
    let text = BigInt::from_signed_bytes_be(reader.rest()).to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", &*text), |digits| ("-", digits));
    Some(match usize::try_from(scale) {
        Ok(0) => text,
        Ok(scale) if scale <= SCALE_MAX => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Ok(_) | Err(_) => format!("{sign}{digits}E{}", -i64::from(scale)),
    })
}

/// A duration in the units that it is stored in: months, days and nanoseconds.
fn duration(bytes: &[u8]) -> Option<String> {
    let parts = duration_parts(bytes)?;
    let sign = if parts.iter().any(|part| *part < 0) { "-" } else { "" };
    let [months, days, nanos] = parts.map(i64::unsigned_abs);
    let parts = [
        (months / 12, "y"),
        (months % 12, "mo"),
        (days, "d"),
        (nanos / 3_600_000_000_000, "h"),
        (nanos / 60_000_000_000 % 60, "m"),
        (nanos / 1_000_000_000 % 60, "s"),
        (nanos / 1_000_000 % 1000, "ms"),
        (nanos / 1_000 % 1000, "us"),
        (nanos % 1000, "ns"),
    ];
    let parts = parts.into_iter().filter(|(amount, _)| *amount > 0);
    Some(parts.fold(sign.to_owned(), |text, (amount, unit)| format!("{text}{amount}{unit}")))
}

/// Months, days and nanoseconds of a duration: each a zigzag vint, whose first byte says by its leading ones how many
/// bytes follow.
fn duration_parts(bytes: &[u8]) -> Option<[i64; 3]> {
    let mut rest = bytes;
    let mut parts = [0; 3];
    for part in &mut parts {
        let (first, after) = rest.split_first()?;
        let (body, after) = after.split_at_checked(usize::try_from(first.leading_ones()).ok()?)?;
        let mask = 0xff_u8.checked_shr(first.leading_ones()).unwrap_or(0);
        let zigzag = body.iter().fold(u64::from(first & mask), |v, b| v << 8 | u64::from(*b));
        let half = i64::try_from(zigzag >> 1).ok()?;
        *part = if zigzag & 1 == 1 { -half - 1 } else { half };
        rest = after;
    }
    rest.is_empty().then_some(parts)
}
