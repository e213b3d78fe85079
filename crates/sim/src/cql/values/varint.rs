//! Integers without a limit: decimal digits ↔ two's complement, and decimals built on them.

/// The shortest two's complement of a decimal integer.
pub(crate) fn encode(digits: &str) -> Option<Vec<u8>> {
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    if digits.is_empty() {
        return None;
    }
    // Least significant byte first while it grows.
    let mut magnitude: Vec<u8> = vec![0];
    for digit in digits.chars() {
        let mut carry = digit.to_digit(10)?;
        for byte in &mut magnitude {
            let value = u32::from(*byte) * 10 + carry;
            *byte = value.to_le_bytes()[0];
            carry = value >> 8;
        }
        if carry > 0 {
            magnitude.push(carry.to_le_bytes()[0]);
        }
    }
    if negative {
        negate(&mut magnitude);
        if magnitude.last().is_some_and(|top| *top < 0x80) && magnitude.iter().any(|b| *b != 0) {
            magnitude.push(0xff);
        }
    } else if magnitude.last().is_some_and(|top| *top >= 0x80) {
        magnitude.push(0);
    }
    while let [.., below, top] = magnitude.as_slice()
        && ((*top == 0 && *below < 0x80) || (*top == 0xff && *below >= 0x80))
    {
        magnitude.pop();
    }
    magnitude.reverse();
    Some(magnitude)
}

/// Two's complement negation, least significant byte first.
fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes {
        let (value, over) = (!*byte).overflowing_add(u8::from(carry));
        *byte = value;
        carry = over;
    }
}

/// The decimal digits of a two's complement integer.
pub(crate) fn decode(bytes: &[u8]) -> String {
    let negative = bytes.first().is_some_and(|top| *top >= 0x80);
    let mut magnitude: Vec<u8> = bytes.iter().rev().copied().collect();
    if negative {
        negate(&mut magnitude);
    }
    magnitude.reverse();
    // Most significant digit last while it grows.
    let mut digits: Vec<u8> = vec![0];
    for byte in magnitude {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(value % 10).unwrap_or(0);
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or(0));
            carry /= 10;
        }
    }
    let text: String = digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
    if negative { format!("-{text}") } else { text }
}

/// A decimal: int scale, then the unscaled varint.
pub(crate) fn encode_decimal(text: &str) -> Option<Vec<u8>> {
    let lower = text.to_ascii_lowercase();
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (lower.as_str(), 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let unscaled = encode(&format!("{whole}{fraction}"))?;
    let mut out = scale.to_be_bytes().to_vec();
    out.extend_from_slice(&unscaled);
    Some(out)
}

/// The text of a decimal.
pub(crate) fn decode_decimal(bytes: &[u8]) -> Option<String> {
    let (scale, unscaled) = bytes.split_first_chunk::<4>()?;
    let scale = i32::from_be_bytes(*scale);
    let text = decode(unscaled);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    match usize::try_from(scale) {
        Ok(0) => Some(text),
        Ok(scale) if scale <= 1000 => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at_checked(padded.len() - scale)?;
            Some(format!("{sign}{whole}.{fraction}"))
        }
        _ => Some(format!("{sign}{digits}E{}", scale.checked_neg()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip_in_their_shortest_form() {
        let cases: &[(&str, &[u8])] = &[
            ("0", &[0]),
            ("1", &[1]),
            ("-1", &[0xff]),
            ("127", &[0x7f]),
            ("128", &[0, 0x80]),
            ("-128", &[0x80]),
            ("-129", &[0xff, 0x7f]),
            ("-256", &[0xff, 0x00]),
            ("256", &[1, 0]),
            ("18446744073709551616", &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (text, bytes) in cases {
            assert_eq!(encode(text).as_deref(), Some(*bytes), "{text}");
            assert_eq!(decode(bytes), *text);
        }
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(encode_decimal("1.50").unwrap(), [0, 0, 0, 2, 0, 150]);
        assert_eq!(decode_decimal(&[0, 0, 0, 2, 0, 150]).unwrap(), "1.50");
        assert_eq!(encode_decimal("-0.1").unwrap(), [0, 0, 0, 1, 0xff]);
        assert_eq!(decode_decimal(&[0, 0, 0, 1, 0xff]).unwrap(), "-0.1");
    }
}
