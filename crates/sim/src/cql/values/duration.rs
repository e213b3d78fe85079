//! Durations: months, days and nanoseconds, each a zigzag vint.

const UNITS: &[(&str, usize, i64)] = &[
    ("mo", 0, 1),
    ("ms", 2, 1_000_000),
    ("us", 2, 1_000),
    ("µs", 2, 1_000),
    ("ns", 2, 1),
    ("y", 0, 12),
    ("w", 1, 7),
    ("d", 1, 1),
    ("h", 2, 3_600_000_000_000),
    ("m", 2, 60_000_000_000),
    ("s", 2, 1_000_000_000),
];

/// Reads `1y2mo3w4d5h6m7s8ms9us10ns` in any part, or ISO 8601 (`P1Y2DT3H`), with a sign.
pub(crate) fn parse(text: &str) -> Option<[i64; 3]> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let parts = match rest.strip_prefix(['P', 'p']) {
        Some(iso) => parse_iso(iso)?,
        None => parse_units(&rest.to_lowercase())?,
    };
    Some(if negative { parts.map(i64::wrapping_neg) } else { parts })
}

/// Whether `text` is numbers, each with a unit behind it, and nothing else: the form of a token, in
/// which they may stand in any order and be of any size.
pub(crate) fn has_units(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut rest = text.as_str();
    loop {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if unit.len() == rest.len() {
            return rest.is_empty() && !text.is_empty();
        }
        let after = UNITS.iter().find_map(|(one, ..)| unit.strip_prefix(one));
        let Some(after) = after else { return false };
        rest = after;
    }
}

fn parse_units(text: &str) -> Option<[i64; 3]> {
    let mut parts = [0i64; 3];
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount = rest.get(..digits)?.parse::<i64>().ok()?;
        rest = rest.get(digits..)?;
        let (unit, part, factor) = UNITS.iter().find(|(unit, ..)| rest.starts_with(unit))?;
        rest = rest.get(unit.len()..)?;
        let slot = parts.get_mut(*part)?;
        *slot = slot.checked_add(amount.checked_mul(*factor)?)?;
    }
    (!text.is_empty()).then_some(parts)
}

fn parse_iso(text: &str) -> Option<[i64; 3]> {
    let (date, clock) = text.split_once(['T', 't']).unwrap_or((text, ""));
    let months = date.to_lowercase().replace('m', "mo");
    let [month, day, _] = if months.is_empty() { [0; 3] } else { parse_units(&months)? };
    let [_, _, nanos] = if clock.is_empty() { [0; 3] } else { parse_units(&clock.to_lowercase())? };
    Some([month, day, nanos])
}

/// The serialized duration.
pub(crate) fn encode(parts: [i64; 3]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        put_vint(&mut out, part);
    }
    out
}

/// Leading ones of the first byte say how many bytes follow.
fn put_vint(out: &mut Vec<u8>, value: i64) {
    let zigzag = u64::from_ne_bytes(((value << 1) ^ (value >> 63)).to_ne_bytes());
    let bits = 64 - zigzag.leading_zeros();
    let extra = usize::try_from(bits.saturating_sub(1) / 7).unwrap_or(8).min(8);
    let bytes = zigzag.to_be_bytes();
    let ones = u8::try_from(0xff00u32 >> extra & 0xff).unwrap_or(0xff);
    if extra == 8 {
        out.push(0xff);
        out.extend_from_slice(&bytes);
    } else if let Some((first, rest)) = bytes.get(7 - extra..).and_then(|low| low.split_first()) {
        out.push(ones | first);
        out.extend_from_slice(rest);
    }
}

/// Months, days and nanoseconds of a serialized duration.
pub(crate) fn decode(bytes: &[u8]) -> Option<[i64; 3]> {
    let mut rest = bytes;
    let mut parts = [0i64; 3];
    for part in &mut parts {
        let (first, after) = rest.split_first()?;
        let extra = usize::try_from(first.leading_ones()).ok()?;
        let (body, after) = after.split_at_checked(extra)?;
        let mask = if extra >= 8 { 0 } else { 0xffu8 >> extra };
        let zigzag = body.iter().fold(u64::from(first & mask), |v, b| v << 8 | u64::from(*b));
        let half = i64::try_from(zigzag >> 1).ok()?;
        *part = if zigzag & 1 == 1 { -half - 1 } else { half };
        rest = after;
    }
    rest.is_empty().then_some(parts)
}

/// The text of a duration, in the units it is stored in.
pub(crate) fn text([months, days, nanos]: [i64; 3]) -> String {
    let sign = if months < 0 || days < 0 || nanos < 0 { "-" } else { "" };
    let mut out = sign.to_owned();
    let parts = [
        (months.unsigned_abs() / 12, "y"),
        (months.unsigned_abs() % 12, "mo"),
        (days.unsigned_abs(), "d"),
        (nanos.unsigned_abs() / 3_600_000_000_000, "h"),
        (nanos.unsigned_abs() / 60_000_000_000 % 60, "m"),
        (nanos.unsigned_abs() / 1_000_000_000 % 60, "s"),
        (nanos.unsigned_abs() / 1_000_000 % 1000, "ms"),
        (nanos.unsigned_abs() / 1_000 % 1000, "us"),
        (nanos.unsigned_abs() % 1000, "ns"),
    ];
    for (amount, unit) in parts.into_iter().filter(|(amount, _)| *amount > 0) {
        out.push_str(&format!("{amount}{unit}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_numbers_with_units() {
        for text in ["1h30m", "500MS", "1\u{b5}s", "3d2y", "99999999999999999999w"] {
            assert!(has_units(text), "{text}");
        }
        for text in ["", "1", "h", "1h3", "1x", "1hm", "1h_"] {
            assert!(!has_units(text), "{text}");
        }
    }

    #[test]
    fn durations_round_trip() {
        for text in ["1y2mo3d", "89h4m48s", "-1d", "1ns", "500ms"] {
            let parts = parse(text).unwrap();
            assert_eq!(decode(&encode(parts)), Some(parts), "{text}");
            assert_eq!(super::text(parts), text);
        }
        assert_eq!(parse("P1Y2M3DT4H"), parse("1y2mo3d4h"));
        assert_eq!(encode([1, 2, 3]), [2, 4, 6]);
        assert_eq!(parse("1x"), None);
    }
}
