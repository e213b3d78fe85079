//! Scalars as plain text, without quotes, turned into bytes: what a server makes of a constant.

use std::net::IpAddr;

use num_bigint::BigInt;
use thiserror::Error;
use time::{Date, Month};
use uuid::Uuid;

use crate::values::calendar::{DATE_EPOCH, EPOCH_JULIAN, MILLIS_A_DAY, NANOS_A_SECOND};
use crate::values::column_type::ColumnType;

/// More digits are uncertain: to read them takes long, and no key has so many.
const DIGITS_MAX: usize = 1024;
/// The zone that is farthest from Greenwich, minutes.
const ZONE_MINUTES_MAX: i64 = 18 * 60;

/// Which bytes a literal stands for cannot be said: servers read it differently, or refuse it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("it is not certain which bytes this stands for")]
pub struct Uncertain;

/// Appends the bytes of `text` as a value of the scalar type `kind`.
///
/// May have appended a part when it is uncertain. Types that are no scalar are uncertain, and so is
/// `duration`, which can be no key.
pub fn put_scalar(text: &str, kind: &ColumnType, out: &mut Vec<u8>) -> Result<(), Uncertain> {
    match kind {
        ColumnType::Varchar => out.extend_from_slice(text.as_bytes()),
        ColumnType::Ascii => {
            out.extend_from_slice(text.is_ascii().then_some(text.as_bytes()).ok_or(Uncertain)?);
        }
        ColumnType::Tinyint => out.extend_from_slice(&integer::<i8>(text)?.to_be_bytes()),
        ColumnType::Smallint => out.extend_from_slice(&integer::<i16>(text)?.to_be_bytes()),
        ColumnType::Int => out.extend_from_slice(&integer::<i32>(text)?.to_be_bytes()),
        ColumnType::Bigint => out.extend_from_slice(&integer::<i64>(text)?.to_be_bytes()),
        ColumnType::Varint => out.extend_from_slice(&varint(text)?),
        ColumnType::Decimal => put_decimal(text, out)?,
        ColumnType::Float => {
            let value = number::<f32>(text)?;
            let is_exact = value.is_normal() || value == 0.0 && is_zero(text);
            out.extend_from_slice(&is_exact.then_some(value).ok_or(Uncertain)?.to_be_bytes());
        }
        ColumnType::Double => {
            let value = number::<f64>(text)?;
            let is_exact = value.is_normal() || value == 0.0 && is_zero(text);
            out.extend_from_slice(&is_exact.then_some(value).ok_or(Uncertain)?.to_be_bytes());
        }
        ColumnType::Boolean => {
            let is_true = text.eq_ignore_ascii_case("true");
            if !is_true && !text.eq_ignore_ascii_case("false") {
                return Err(Uncertain);
            }
            out.push(u8::from(is_true));
        }
        ColumnType::Blob => put_blob(text, out)?,
        ColumnType::Uuid | ColumnType::Timeuuid => {
            let uuid = uuid(text)?;
            let fits = *kind == ColumnType::Uuid || uuid.get_version_num() == 1;
            out.extend_from_slice(fits.then_some(uuid.as_bytes()).ok_or(Uncertain)?);
        }
        ColumnType::Inet => put_inet(text, out)?,
        ColumnType::Timestamp => out.extend_from_slice(&timestamp(text)?.to_be_bytes()),
        ColumnType::Date => out.extend_from_slice(&date(text)?.to_be_bytes()),
        ColumnType::Time => out.extend_from_slice(&clock_time(text)?.to_be_bytes()),
        ColumnType::Custom(_)
        | ColumnType::Counter
        | ColumnType::Duration
        | ColumnType::List(_)
        | ColumnType::Map(..)
        | ColumnType::Set(_)
        | ColumnType::Udt { .. }
        | ColumnType::Tuple(_) => return Err(Uncertain),
    }
    Ok(())
}

/// Whether `text` is digits, perhaps behind a `-`.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number of digits alone.
fn unsigned(text: &str) -> Result<i64, Uncertain> {
    integer(text).ok().filter(|_| !text.starts_with('-')).ok_or(Uncertain)
}

fn integer<T: std::str::FromStr>(text: &str) -> Result<T, Uncertain> {
    text.parse().ok().filter(|_| is_integer(text)).ok_or(Uncertain)
}

/// The shortest two's complement.
fn varint(text: &str) -> Result<Vec<u8>, Uncertain> {
    if !is_integer(text) || text.len() > DIGITS_MAX {
        return Err(Uncertain);
    }
    let number: BigInt = text.parse().map_err(|_| Uncertain)?;
    Ok(number.to_signed_bytes_be())
}

/// Scale as an int, then the digits without the point as a varint.
fn put_decimal(text: &str, out: &mut Vec<u8>) -> Result<(), Uncertain> {
    let number = Number::read(text)?;
    // Cassandra reads each number with a point or an exponent as a double first, whatever its column is.
    let is_finite = text.parse().is_ok_and(f64::is_finite);
    if !is_finite && !is_integer(text) {
        return Err(Uncertain);
    }
    let exponent = number.power()?;
    let fraction_len = i32::try_from(number.fraction.len()).map_err(|_| Uncertain)?;
    let scale = fraction_len.checked_sub(exponent).ok_or(Uncertain)?;
    out.extend_from_slice(&scale.to_be_bytes());
    out.extend_from_slice(&varint(&format!("{}{}", number.whole, number.fraction))?);
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Uncertain> {
    Number::read(text)?.power()?;
    text.parse().map_err(|_| Uncertain)
}

/// Whether no digit but 0 stands before the exponent.
fn is_zero(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().all(|byte| !byte.is_ascii_digit() || byte == b'0')
}

/// The parts of a number.
struct Number<'a> {
    /// Digits before the point, perhaps behind a `-`.
    whole: &'a str,
    /// Digits behind the point.
    fraction: &'a str,
    /// Digits behind the `e`, perhaps behind a sign; empty when there is none.
    exponent: &'a str,
}

impl<'a> Number<'a> {
    fn read(text: &'a str) -> Result<Self, Uncertain> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, ""));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let has_power = !text.contains(['e', 'E']) || !power.is_empty();
        let is_number = is_integer(whole) && digits(fraction) && digits(power) && has_power;
        is_number.then_some(Self { whole, fraction, exponent }).ok_or(Uncertain)
    }

    /// The exponent; uncertain where it is larger than servers read.
    fn power(&self) -> Result<i32, Uncertain> {
        match self.exponent {
            "" => Ok(0),
            exponent => {
                exponent.strip_prefix('+').unwrap_or(exponent).parse().map_err(|_| Uncertain)
            }
        }
    }
}

/// Bytes written as `0x` and pairs of hexadecimal digits.
fn put_blob(text: &str, out: &mut Vec<u8>) -> Result<(), Uncertain> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or(Uncertain)?;
    let start = out.len();
    out.resize(start + digits.len() / 2, 0);
    hex::decode_to_slice(digits, out.get_mut(start..).unwrap_or_default()).map_err(|_| Uncertain)
}

/// A uuid in groups of 8-4-4-4-12 digits; no other form is one for a server.
fn uuid(text: &str) -> Result<Uuid, Uncertain> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36).ok_or(Uncertain)
}

fn put_inet(text: &str, out: &mut Vec<u8>) -> Result<(), Uncertain> {
    match text.parse().map_err(|_| Uncertain)? {
        IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
        // Cassandra makes an IPv4 address of a mapped one, ScyllaDB does not.
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => return Err(Uncertain),
        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
    }
    Ok(())
}

/// Days since the smallest date, of the number itself or of `yyyy-mm-dd`.
fn date(text: &str) -> Result<u32, Uncertain> {
    if is_integer(text) {
        return integer(text);
    }
    let ([year, month, day], "") = digits(text, ["", "-", "-"], [4, 2, 2])? else {
        return Err(Uncertain);
    };
    u32::try_from(days(year, month, day)? + DATE_EPOCH).map_err(|_| Uncertain)
}

/// Nanoseconds since midnight of `hh:mm:ss` and perhaps a fraction of up to nine digits.
fn clock_time(text: &str) -> Result<i64, Uncertain> {
    let ([hours, minutes, seconds], rest) = digits(text, ["", ":", ":"], [2, 2, 2])?;
    Ok(seconds_of_day(hours, minutes, seconds)? * NANOS_A_SECOND + fraction(rest, 9)?)
}

/// Milliseconds since 1970, of the number itself or of a date with a zone, and perhaps a time
/// before the zone. Without a zone it depends on where the server stands.
fn timestamp(text: &str) -> Result<i64, Uncertain> {
    if is_integer(text) {
        return integer(text);
    }
    let ([year, month, day], rest) = digits(text, ["", "-", "-"], [4, 2, 2])?;
    // Cassandra reckons by the calendar of Julius Caesar before 1582.
    if year < 1600 {
        return Err(Uncertain);
    }
    let mut millis = days(year, month, day)? * MILLIS_A_DAY;
    let zone_at = rest.find(['Z', '+', '-']).ok_or(Uncertain)?;
    let (clock, zone) = rest.split_at(zone_at);
    if !clock.is_empty() {
        let clock = clock.strip_prefix([' ', 'T']).ok_or(Uncertain)?;
        let ([hours, minutes], rest) = digits(clock, ["", ":"], [2, 2])?;
        let (seconds, rest) = match rest {
            "" => (0, ""),
            rest => {
                let ([seconds], rest) = digits(rest, [":"], [2])?;
                (seconds, rest)
            }
        };
        millis += seconds_of_day(hours, minutes, seconds)? * 1000 + fraction(rest, 3)?;
    }
    Ok(millis - zone_minutes(zone)? * 60_000)
}

/// Minutes east of Greenwich of `Z`, `+hhmm` or `+hh:mm`. Cassandra refuses small letters, and zones that
/// are more than 18 hours away.
fn zone_minutes(zone: &str) -> Result<i64, Uncertain> {
    if zone == "Z" {
        return Ok(0);
    }
    let (is_west, rest) = match zone.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, zone.strip_prefix('+').ok_or(Uncertain)?),
    };
    let between = if rest.contains(':') { ":" } else { "" };
    let ([hours, minutes], "") = digits(rest, ["", between], [2, 2])? else {
        return Err(Uncertain);
    };
    let total = seconds_of_day(hours, minutes, 0)? / 60;
    let total = (total <= ZONE_MINUTES_MAX).then_some(total).ok_or(Uncertain)?;
    Ok(if is_west { -total } else { total })
}

/// Numbers of exactly so many digits, each behind what stands before it; and what follows.
fn digits<'a, const N: usize>(
    text: &'a str,
    before: [&str; N],
    lengths: [usize; N],
) -> Result<([i64; N], &'a str), Uncertain> {
    let mut rest = text;
    let mut numbers = [0; N];
    for ((number, before), len) in numbers.iter_mut().zip(before).zip(lengths) {
        rest = rest.strip_prefix(before).ok_or(Uncertain)?;
        let (digits, after) = rest.split_at_checked(len).ok_or(Uncertain)?;
        *number = unsigned(digits)?;
        rest = after;
    }
    Ok((numbers, rest))
}

/// A fraction of a second in units of which `digits_max` digits make one second.
fn fraction(text: &str, digits_max: usize) -> Result<i64, Uncertain> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix('.').ok_or(Uncertain)?;
    let missing = digits_max.checked_sub(digits.len()).ok_or(Uncertain)?;
    let power = u32::try_from(missing).map_err(|_| Uncertain)?;
    Ok(unsigned(digits)? * 10_i64.pow(power))
}

fn seconds_of_day(hours: i64, minutes: i64, seconds: i64) -> Result<i64, Uncertain> {
    let fits = hours < 24 && minutes < 60 && seconds < 60;
    fits.then_some(hours * 3600 + minutes * 60 + seconds).ok_or(Uncertain)
}

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> Result<i64, Uncertain> {
    let small = |number: i64| u8::try_from(number).map_err(|_| Uncertain);
    let year = i32::try_from(year).map_err(|_| Uncertain)?;
    let month = Month::try_from(small(month)?).map_err(|_| Uncertain)?;
    let date = Date::from_calendar_date(year, month, small(day)?).map_err(|_| Uncertain)?;
    Ok(i64::from(date.to_julian_day() - EPOCH_JULIAN))
}

#[cfg(test)]
mod tests;
