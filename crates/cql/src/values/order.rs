//! The order in which servers keep the elements of sets and the keys of maps.

use std::cmp::Ordering;

use crate::values::column_type::ColumnType;
use crate::values::scalar::Uncertain;

/// The bits of a uuid's third group that say its version, and where they stand.
const VERSION_AT: usize = 6;

/// Compares two values of type `kind`, neither null. What is equal, or in an order that is not the same on
/// all servers, is uncertain.
pub(crate) fn compare(kind: &ColumnType, one: &[u8], other: &[u8]) -> Result<Ordering, Uncertain> {
    let order = match kind {
        ColumnType::Ascii
        | ColumnType::Blob
        | ColumnType::Boolean
        | ColumnType::Date
        | ColumnType::Varchar => one.cmp(other),
        ColumnType::Tinyint
        | ColumnType::Smallint
        | ColumnType::Int
        | ColumnType::Bigint
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::Varint => whole_numbers(one, other),
        ColumnType::Float => {
            let (one, other) = (array(one)?, array(other)?);
            f32::from_be_bytes(one).partial_cmp(&f32::from_be_bytes(other)).ok_or(Uncertain)?
        }
        ColumnType::Double => {
            let (one, other) = (array(one)?, array(other)?);
            f64::from_be_bytes(one).partial_cmp(&f64::from_be_bytes(other)).ok_or(Uncertain)?
        }
        // Those of other versions are compared by parts.
        ColumnType::Uuid if is_random(one) && is_random(other) => one.cmp(other),
        ColumnType::Uuid
        | ColumnType::Timeuuid
        | ColumnType::Decimal
        | ColumnType::Inet
        | ColumnType::Counter
        | ColumnType::Duration
        | ColumnType::Custom(_)
        | ColumnType::List(_)
        | ColumnType::Map(..)
        | ColumnType::Set(_)
        | ColumnType::Tuple(_)
        | ColumnType::Udt { .. } => return Err(Uncertain),
    };
    if order.is_eq() { Err(Uncertain) } else { Ok(order) }
}

/// Compares big-endian two's complements without needless bytes, which are of one length or are not.
fn whole_numbers(one: &[u8], other: &[u8]) -> Ordering {
    let is_negative = |bytes: &[u8]| bytes.first().is_some_and(|first| *first >= 0x80);
    match (is_negative(one), is_negative(other)) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
        (true, true) => other.len().cmp(&one.len()).then_with(|| one.cmp(other)),
    }
}

/// Whether a uuid is of version 4.
fn is_random(uuid: &[u8]) -> bool {
    uuid.get(VERSION_AT).is_some_and(|byte| byte >> 4 == 4)
}

fn array<const N: usize>(value: &[u8]) -> Result<[u8; N], Uncertain> {
    value.try_into().map_err(|_| Uncertain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(kind: &ColumnType, one: &[u8], other: &[u8]) -> Option<Ordering> {
        let order = compare(kind, one, other).ok();
        assert_eq!(compare(kind, other, one).ok(), order.map(Ordering::reverse));
        order
    }

    #[test]
    fn numbers_are_in_the_order_of_their_values() {
        for pair in [-70_000_i64, -300, -129, -128, -1, 0, 1, 127, 128, 300, 70_000].windows(2) {
            let [one, other] = *pair else { panic!() };
            let bytes = |number: i64| number.to_be_bytes().to_vec();
            let minimal = |number: i64| {
                let bytes = number.to_be_bytes();
                let sign = if number < 0 { 0xff } else { 0 };
                let needless = |at: &usize| bytes[*at] == sign && (bytes[at + 1] ^ sign) < 0x80;
                bytes[(0..7).take_while(needless).count()..].to_vec()
            };
            let less = Some(Ordering::Less);
            assert_eq!(order(&ColumnType::Bigint, &bytes(one), &bytes(other)), less);
            assert_eq!(
                order(&ColumnType::Varint, &minimal(one), &minimal(other)),
                less,
                "{pair:?}"
            );
            let doubles = [one, other].map(|number| (number as f64).to_be_bytes());
            assert_eq!(order(&ColumnType::Double, &doubles[0], &doubles[1]), less);
        }
    }

    #[test]
    fn what_is_equal_or_compared_by_parts_is_uncertain() {
        assert_eq!(order(&ColumnType::Int, &[0, 0, 0, 1], &[0, 0, 0, 1]), None);
        let zeros = [0.0_f32, -0.0].map(f32::to_be_bytes);
        assert_eq!(order(&ColumnType::Float, &zeros[0], &zeros[1]), None);
        assert_eq!(order(&ColumnType::Float, &f32::NAN.to_be_bytes(), &zeros[1]), None);
        let uuid =
            |version: u8, last: u8| [0, 0, 0, 0, 0, 0, version << 4, 0, 0, 0, 0, 0, 0, 0, 0, last];
        assert_eq!(order(&ColumnType::Uuid, &uuid(4, 1), &uuid(4, 2)), Some(Ordering::Less));
        assert_eq!(order(&ColumnType::Uuid, &uuid(1, 1), &uuid(1, 2)), None);
        assert_eq!(order(&ColumnType::Timeuuid, &uuid(1, 1), &uuid(1, 2)), None);
        assert_eq!(order(&ColumnType::Varchar, b"b", b"a"), Some(Ordering::Greater));
        assert_eq!(order(&ColumnType::Varchar, "\u{e9}".as_bytes(), b"z"), Some(Ordering::Greater));
    }
}
