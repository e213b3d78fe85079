//! Dates and times, written and read, on the proleptic Gregorian calendar.

const MILLIS_A_DAY: i64 = 86_400_000;

/// Days since 1970-01-01 of a date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year.abs() > 5_000_000 {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Year, month, day of days since 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut parts = rest.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    days(sign * year, month, day)
}

/// `YYYY-MM-DD`.
pub(crate) fn date_text(days: i64) -> String {
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Nanoseconds since midnight of `hh:mm[:ss[.fffffffff]]`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(str::parse::<i64>);
    let hours = parts.next()?.ok()?;
    let minutes = parts.next()?.ok()?;
    let seconds = parts.next().unwrap_or(Ok(0)).ok()?;
    let valid = (0..24).contains(&hours)
        && (0..60).contains(&minutes)
        && (0..60).contains(&seconds)
        && parts.next().is_none()
        && fraction.len() <= 9
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanos = format!("{fraction:0<9}").parse::<i64>().ok()?;
    valid.then_some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + nanos)
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
        assert_eq!(parse_date("2000-13-01"), None);
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
