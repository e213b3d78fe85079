//! Quantities of Kubernetes: CPUs, and bytes of memory.

/// Digits of a number at most; more are of no use, and the arithmetic cannot overflow.
const DIGITS_MAX: usize = 18;

/// Units of memory, with their bytes.
const BYTES: [(&str, u128); 7] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
];

/// Thousandths of a CPU, Kubernetes' smallest part of one: 250 of `250m`, 500 of `0.5`.
#[must_use]
pub(crate) fn cpu_thousandths(text: &str) -> Option<u64> {
    scaled(text, &[("", 1_000), ("m", 1)])
}

/// Bytes: 67108864 of `64Mi`. Units of CPUs, and parts of a byte, are none.
#[must_use]
pub(crate) fn memory_bytes(text: &str) -> Option<u64> {
    scaled(text, &BYTES)
}

/// A decimal number times its unit, if that is whole.
fn scaled(text: &str, units: &[(&str, u128)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{part}");
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let divisor = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let scaled = digits.parse::<u128>().ok()? * factor;
    // An API server counts in i64.
    let value = (scaled % divisor == 0).then_some(scaled / divisor)?;
    i64::try_from(value).ok().and_then(|value| u64::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_whole_thousandths_of_a_cpu_or_whole_bytes() {
        for (text, cpu, memory) in [
            ("250m", Some(250), None),
            ("0.5", Some(500), None),
            ("2", Some(2_000), Some(2)),
            ("0", Some(0), Some(0)),
            (".25", Some(250), None),
            ("0.0005", None, None),
            ("64Mi", None, Some(64 << 20)),
            ("0.5Gi", None, Some(1 << 29)),
            ("1.5k", None, Some(1_500)),
            ("1G", None, Some(1_000_000_000)),
            ("1K", None, None),
            ("64MB", None, None),
            ("-1", None, None),
            ("1e3", None, None),
            ("", None, None),
            (".", None, None),
            ("1.2.3", None, None),
            ("Mi", None, None),
            ("1 Mi", None, None),
            ("999999999999999999Gi", None, None),
            ("1000000000000000000000", None, None),
        ] {
            assert_eq!((cpu_thousandths(text), memory_bytes(text)), (cpu, memory), "{text}");
        }
    }
}
