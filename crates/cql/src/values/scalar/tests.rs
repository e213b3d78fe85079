//! What a server makes of a constant of each type.

use proptest::prelude::*;

use super::*;

fn put(text: &str, kind: &ColumnType) -> Result<Vec<u8>, Uncertain> {
    let mut out = Vec::new();
    put_scalar(text, kind, &mut out).map(|()| out)
}

fn certain(cases: &[(ColumnType, &str, &[u8])]) {
    for (kind, text, expected) in cases {
        assert_eq!(put(text, kind).as_deref(), Ok(*expected), "{kind:?} {text}");
    }
}

fn uncertain(kind: &ColumnType, texts: &[&str]) {
    for text in texts {
        assert_eq!(put(text, kind), Err(Uncertain), "{kind:?} {text}");
    }
}

#[test]
fn whole_numbers_have_the_length_of_their_type() {
    certain(&[
        (ColumnType::Tinyint, "-1", &[0xff]),
        (ColumnType::Smallint, "258", &[1, 2]),
        (ColumnType::Int, "007", &[0, 0, 0, 7]),
        (ColumnType::Bigint, "-2", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
        (ColumnType::Varint, "0", &[0]),
        (ColumnType::Varint, "-0", &[0]),
        (ColumnType::Varint, "127", &[0x7f]),
        (ColumnType::Varint, "128", &[0, 0x80]),
        (ColumnType::Varint, "-128", &[0x80]),
        (ColumnType::Varint, "-129", &[0xff, 0x7f]),
        (ColumnType::Varint, "18446744073709551616", &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ]);
    uncertain(&ColumnType::Tinyint, &["128", "-129"]);
    uncertain(&ColumnType::Int, &["2147483648", "+1", "1.0", "", "-", "1_000", " 1"]);
    uncertain(&ColumnType::Varint, &["+1", "1_000", &"9".repeat(DIGITS_MAX + 1)]);
}

#[test]
fn numbers_with_a_point_are_rounded_once() {
    certain(&[
        (ColumnType::Float, "1.5", &[0x3f, 0xc0, 0, 0]),
        (ColumnType::Float, "16777217", &[0x4b, 0x80, 0, 0]),
        (ColumnType::Double, "-2", &[0xc0, 0, 0, 0, 0, 0, 0, 0]),
        (ColumnType::Double, "-0", &[0x80, 0, 0, 0, 0, 0, 0, 0]),
        (ColumnType::Double, "0e9", &[0; 8]),
        (ColumnType::Double, "1.E+1", &[0x40, 0x24, 0, 0, 0, 0, 0, 0]),
        (ColumnType::Decimal, "1.50", &[0, 0, 0, 2, 0, 150]),
        (ColumnType::Decimal, "-0.1", &[0, 0, 0, 1, 0xff]),
        (ColumnType::Decimal, "15e2", &[0xff, 0xff, 0xff, 0xfe, 15]),
        (ColumnType::Decimal, "1.5E-2", &[0, 0, 0, 3, 15]),
        (ColumnType::Decimal, "7", &[0, 0, 0, 0, 7]),
    ]);
    // Servers do not agree on what overflows, and on what lies between 0 and the normal numbers.
    uncertain(
        &ColumnType::Double,
        &["1e999", "1e-999", "1e-310", "NaN", "inf", "1e", "e1", ".", "0E719925440993"],
    );
    uncertain(&ColumnType::Float, &["1e39", "1e-40"]);
    uncertain(
        &ColumnType::Decimal,
        &["1e9999999999", "1e", "1e+-2", "NaN", "1.2.3", "1e330", "-1e400"],
    );
}

#[test]
fn texts_blobs_and_booleans_are_taken_as_they_stand() {
    certain(&[
        (ColumnType::Varchar, "é'", &[0xc3, 0xa9, b'\'']),
        (ColumnType::Ascii, "a", b"a"),
        (ColumnType::Blob, "0xCAfe", &[0xca, 0xfe]),
        (ColumnType::Blob, "0X", &[]),
        (ColumnType::Boolean, "TRUE", &[1]),
        (ColumnType::Boolean, "false", &[0]),
    ]);
    uncertain(&ColumnType::Ascii, &["é"]);
    uncertain(&ColumnType::Blob, &["cafe", "0xabc", "0x+1", ""]);
    uncertain(&ColumnType::Boolean, &["yes", "1", ""]);
}

#[test]
fn a_uuid_has_one_form_and_a_timeuuid_one_version() {
    let (random, time) =
        ("F47ac10b-58cc-4372-a567-0e02b2c3d479", "50554d6e-29bb-11e5-b345-feff819cdc9f");
    assert_eq!(put(random, &ColumnType::Uuid).unwrap()[..4], [0xf4, 0x7a, 0xc1, 0x0b]);
    assert_eq!(put(time, &ColumnType::Uuid), put(time, &ColumnType::Timeuuid));
    uncertain(&ColumnType::Timeuuid, &[random]);
    uncertain(
        &ColumnType::Uuid,
        &["f47ac10b58cc4372a5670e02b2c3d479", "{f47ac10b-58cc-4372-a567-0e02b2c3d479}", ""],
    );
}

#[test]
fn an_address_has_the_bytes_of_its_family() {
    certain(&[(ColumnType::Inet, "10.0.0.1", &[10, 0, 0, 1])]);
    assert_eq!(put("fd00::1", &ColumnType::Inet).unwrap().len(), 16);
    uncertain(&ColumnType::Inet, &["::ffff:10.0.0.1", "node1", "10.0.0", "010.0.0.1", "fe80::1%1"]);
}

#[test]
fn dates_and_times_are_whole() {
    certain(&[
        (ColumnType::Date, "1970-01-01", &[0x80, 0, 0, 0]),
        (ColumnType::Date, "1969-12-31", &[0x7f, 0xff, 0xff, 0xff]),
        (ColumnType::Date, "2000-02-29", &[0x80, 0, 0x2b, 0x08]),
        (ColumnType::Date, "2147483648", &[0x80, 0, 0, 0]),
        (ColumnType::Time, "00:00:01", &[0, 0, 0, 0, 0x3b, 0x9a, 0xca, 0]),
        (ColumnType::Time, "00:00:00.5", &[0, 0, 0, 0, 0x1d, 0xcd, 0x65, 0]),
    ]);
    uncertain(&ColumnType::Date, &["2001-02-29", "2000-13-01", "2000-1-1", "-1", "4294967296", ""]);
    uncertain(
        &ColumnType::Time,
        &["24:00:00", "00:60:00", "00:00", "1", "00:00:00.", "00:00:00.1234567890", "-1:00:00"],
    );
}

#[test]
fn a_timestamp_without_a_zone_is_uncertain() {
    let millis = |text| {
        put(text, &ColumnType::Timestamp).map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()))
    };
    assert_eq!(millis("-7"), Ok(-7));
    assert_eq!(millis("1970-01-01T00:00:01.5Z"), Ok(1500));
    assert_eq!(millis("1970-01-01 01:00:00+0100"), Ok(0));
    assert_eq!(millis("1970-01-01 00:30-00:30"), Ok(3_600_000));
    assert_eq!(millis("1970-01-01 00:00-18:00"), Ok(64_800_000));
    assert_eq!(millis("1970-01-02Z"), Ok(86_400_000));
    assert_eq!(millis("2015-05-03 13:30:54.234+0000"), Ok(1_430_659_854_234));
    uncertain(
        &ColumnType::Timestamp,
        &[
            "1970-01-01",
            "1970-01-01 00:00:00",
            "1970-01-01 00:00:00.1234Z",
            "1500-01-01Z",
            "1970-01-01 24:00Z",
            "1970-01-01 00:00+1",
            "1970-01-01 00:00+01",
            "1970-01-01Z01:30",
            "1970-01-01 00:00z",
            "1970-01-01t00:00Z",
            "1970-01-01 00:00+18:01",
            "1970-01-01 00:00-23:59",
            "now",
            "",
        ],
    );
}

#[test]
fn types_that_are_no_scalar_are_uncertain() {
    uncertain(&ColumnType::Duration, &["1h"]);
    uncertain(&ColumnType::Counter, &["1"]);
    uncertain(&ColumnType::Custom("x".to_owned()), &["1"]);
    uncertain(&ColumnType::set_of_text(), &["{}"]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[-+0-9eE.:TZx ]{0,30}") {
        for kind in [
            ColumnType::Int,
            ColumnType::Varint,
            ColumnType::Decimal,
            ColumnType::Float,
            ColumnType::Double,
            ColumnType::Blob,
            ColumnType::Uuid,
            ColumnType::Inet,
            ColumnType::Date,
            ColumnType::Time,
            ColumnType::Timestamp,
        ] {
            let _put = put(&text, &kind);
        }
    }

    #[test]
    fn every_varint_is_as_short_as_it_can_be(number in any::<i128>()) {
        let bytes = put(&number.to_string(), &ColumnType::Varint).unwrap();
        let sign = if number < 0 { 0xff } else { 0 };
        let mut padded = vec![sign; 16];
        padded.splice(16 - bytes.len().min(16).., bytes.iter().copied());
        prop_assert_eq!(i128::from_be_bytes(padded.try_into().unwrap()), number);
        let spare = matches!(bytes[..], [first, next, ..] if first == sign && (next ^ sign) < 0x80);
        prop_assert!(!spare);
    }
}
