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

#[cfg(test)]
mod tests {
    use cql::values::column_type::ColumnType;
    use cql::values::text::scalar;

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
            let bytes = encode(parse(text).unwrap());
            assert_eq!(scalar(&ColumnType::Duration, &bytes).as_deref(), Some(text));
        }
        assert_eq!(parse("P1Y2M3DT4H"), parse("1y2mo3d4h"));
        assert_eq!(encode([1, 2, 3]), [2, 4, 6]);
        assert_eq!(parse("1x"), None);
    }
}
