//! Dates and times, written and read, on the proleptic Gregorian calendar.

use cql::values::calendar::{EPOCH_JULIAN, MILLIS_A_DAY};
use time::{Date, Month, Time};

/// Days since 1970-01-01 of `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut parts = rest.splitn(3, '-').map(str::parse::<i64>);
    let year = i32::try_from(sign * parts.next()?.ok()?).ok()?;
    let month = Month::try_from(u8::try_from(parts.next()?.ok()?).ok()?).ok()?;
    let day = u8::try_from(parts.next()?.ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    Some(i64::from(date.to_julian_day() - EPOCH_JULIAN))
}

/// `YYYY-MM-DD`; the number of days when the year has more than six digits.
pub(crate) fn date_text(days: i64) -> String {
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

/// Nanoseconds since midnight of `hh:mm[:ss[.fffffffff]]`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(str::parse::<u8>);
    let hours = parts.next()?.ok()?;
    let minutes = parts.next()?.ok()?;
    let seconds = parts.next().unwrap_or(Ok(0)).ok()?;
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !is_fraction {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse::<u32>().ok()?;
    let time = Time::from_hms_nano(hours, minutes, seconds, nanos).ok()?;
    i64::try_from(time.duration_since(Time::MIDNIGHT).whole_nanoseconds()).ok()
}

/// `hh:mm:ss.nnnnnnnnn`.
pub(crate) fn time_text(nanos: i64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:09}", seconds % 60, nanos % 1_000_000_000)
}

/// Milliseconds since 1970 of a date with or without time and zone; no zone means UTC.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    if let Ok(millis) = text.parse::<i64>() {
        return Some(millis);
    }
    let from = text.get(..10).unwrap_or(text).len();
    let rest = text.get(from..).unwrap_or_default();
    let day = parse_date(text.get(..from)?)?.checked_mul(MILLIS_A_DAY)?;
    if rest.is_empty() {
        return Some(day);
    }
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let clock = rest.get(..zone_at)?.trim_start_matches(['T', 't', ' ']).trim_end();
    let nanos = if clock.is_empty() { 0 } else { parse_time(clock)? };
    let offset = zone_minutes(rest.get(zone_at..)?)?;
    Some(day + nanos / 1_000_000 - offset * 60_000)
}

/// Minutes east of Greenwich of ``, `Z`, `+hhmm`, `+hh:mm` or `+hh`.
fn zone_minutes(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let digits = rest.replace(':', "");
    let hours = digits.get(..2)?.parse::<i64>().ok()?;
    let minutes = match digits.get(2..)? {
        "" => 0,
        rest if rest.len() == 2 => rest.parse::<i64>().ok()?,
        _ => return None,
    };
    let total = hours * 60 + minutes;
    Some(if sign == "-" { -total } else { total })
}

/// `YYYY-MM-DD hh:mm:ss.mmmZ`, as the server writes a timestamp in JSON.
pub(crate) fn timestamp_text(millis: i64) -> String {
    let day = millis.div_euclid(MILLIS_A_DAY);
    let clock = time_text(millis.rem_euclid(MILLIS_A_DAY) * 1_000_000);
    format!("{} {}Z", date_text(day), clock.get(..12).unwrap_or(&clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        for (text, days) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("1969-12-31", -1)] {
            assert_eq!(parse_date(text), Some(days));
            assert_eq!(date_text(days), text);
        }
        for wrong in ["2000-13-01", "2001-02-29", "2000-01", "2000-01-32", ""] {
            assert_eq!(parse_date(wrong), None, "{wrong}");
        }
        assert_eq!(parse_date("-0044-03-15"), Some(-735_525));
        assert_eq!(date_text(-735_525), "-044-03-15");
        assert_eq!(date_text(1 << 31), "2147483648");
    }

    #[test]
    fn timestamps_know_zones_and_fractions() {
        assert_eq!(parse_timestamp("1970-01-01"), Some(0));
        assert_eq!(parse_timestamp("1970-01-01 01:00:00+0100"), Some(0));
        assert_eq!(parse_timestamp("1970-01-01T00:00:01.5Z"), Some(1500));
        assert_eq!(parse_timestamp("1234"), Some(1234));
        assert_eq!(parse_timestamp("yesterday"), None);
        assert_eq!(timestamp_text(1500), "1970-01-01 00:00:01.500Z");
    }
}
