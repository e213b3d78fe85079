//! Integers of any size as two's complement, and decimals built on them.

use num_bigint::BigInt;

/// The shortest two's complement of a decimal integer; `None` when `digits` is none.
pub(crate) fn encode(digits: &str) -> Option<Vec<u8>> {
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    // `BigInt` also reads `1_000`, which is no CQL.
    let is_number = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<BigInt>().ok().filter(|_| is_number)?;
    Some(number.to_signed_bytes_be())
}

/// The decimal digits of a two's complement integer.
pub(crate) fn decode(bytes: &[u8]) -> String {
    BigInt::from_signed_bytes_be(bytes).to_string()
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
        assert_eq!(encode_decimal("-0.1").unwrap(), [0, 0, 0, 1, 0xff]);
    }
}
