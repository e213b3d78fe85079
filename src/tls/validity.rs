//! From when until when a certificate is valid: the one field that is read out of its DER.
//!
//! The library that verifies certificates keeps these dates to itself; an operator wants to know of
//! an expired one before a node or client refuses it.

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A certificate comes to its end within so many seconds, two weeks, or within so small a part of its life, whichever is
/// less: one that lives for a day is renewed each day.
const ENDING_S: i64 = 14 * 86_400;
const ENDING_PART: i64 = 6;

/// The dates of one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Validity {
    /// Seconds since 1970, and how people write it.
    pub not_before: (i64, String),
    /// The same; the last second in which it is valid.
    pub not_after: (i64, String),
}

impl Validity {
    /// Reads the dates of a certificate (RFC 5280 section 4.1); `None` when it is no certificate.
    #[must_use]
    pub(crate) fn read(certificate: &[u8]) -> Option<Self> {
        let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
        let (SEQUENCE, mut rest, _) = element(certificate)? else { return None };
        if let (VERSION, _, after) = element(rest)? {
            rest = after;
        }
        for _ in ["serial number", "signature algorithm", "issuer"] {
            (_, _, rest) = element(rest)?;
        }
        let (SEQUENCE, dates, _) = element(rest)? else { return None };
        let (tag, not_before, dates) = element(dates)?;
        let not_before = moment(tag, not_before)?;
        let (tag, not_after, _) = element(dates)?;
        Some(Self { not_before, not_after: moment(tag, not_after)? })
    }

    /// Whether it should have been renewed by `now_s`.
    #[must_use]
    pub(crate) const fn is_ending(&self, now_s: i64) -> bool {
        let part_s = (self.not_after.0 - self.not_before.0) / ENDING_PART;
        let ending_s = if part_s < ENDING_S { part_s } else { ENDING_S };
        self.not_after.0 - now_s < ending_s
    }
}

/// The first element: its tag, its content, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        // Four bytes of length are more than any certificate needs.
        let short = len.len() <= 4;
        let len = len.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
        short.then_some((len, rest))?
    };
    let (content, after) = rest.split_at_checked(len)?;
    Some((tag, content, after))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`, as RFC 5280 demands it.
fn moment(tag: u8, text: &[u8]) -> Option<(i64, String)> {
    let digits = text.strip_suffix(b"Z")?;
    let digits = digits.iter().map(|digit| digit.is_ascii_digit().then(|| i64::from(digit - b'0')));
    let digits = digits.collect::<Option<Vec<_>>>()?;
    let number = |digits: &[i64]| digits.iter().fold(0, |sum, digit| sum * 10 + digit);
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    let parts = rest.chunks(2).map(number).collect::<Vec<_>>();
    let &[month, day, hour, minute, second] = parts.as_slice() else { return None };
    let text = format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC");
    let seconds = days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((seconds, text))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day at their end.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_dates_of_a_certificate_are_read() {
        let mut params = CertificateParams::new(["a".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1999, 12, 31);
        params.not_after = date_time_ymd(2096, 2, 29);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let validity = Validity::read(certificate.der()).unwrap();
        assert_eq!(validity.not_before, (946_598_400, "1999-12-31 00:00:00 UTC".to_owned()));
        assert_eq!(validity.not_after, (3_981_312_000, "2096-02-29 00:00:00 UTC".to_owned()));
    }

    #[test]
    fn a_certificate_is_ending_by_its_days_and_by_its_life() {
        let day = 86_400;
        let validity = |days: i64| Validity {
            not_before: (0, String::new()),
            not_after: (days * day, String::new()),
        };
        for (days, left, is_ending) in
            [(365, 15, false), (365, 13, true), (60, 11, false), (60, 9, true), (365, -1, true)]
        {
            let now_s = (days - left) * day;
            assert_eq!(validity(days).is_ending(now_s), is_ending, "{left} of {days} days left");
        }
    }

    proptest! {
        #[test]
        fn broken_bytes_are_no_certificate(mut cut in 0_usize..400, flips in prop::collection::vec((0_usize..400, any::<u8>()), 0..4)) {
            let params = CertificateParams::new(["a".to_owned()]).unwrap();
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let mut bytes = certificate.der().to_vec();
            cut = cut.min(bytes.len());
            bytes.truncate(cut);
            for (at, value) in flips {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            // What it says of such bytes is of no interest, as long as it says something.
            let said = Validity::read(&bytes);
            prop_assert!(cut > 100 || said.is_none());
        }
    }
}
