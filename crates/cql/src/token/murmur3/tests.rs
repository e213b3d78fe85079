//! Golden tokens of real servers and drivers, and the published Murmur3 as a second opinion.

use std::io::Cursor;

use proptest::collection;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;
use crate::token::token::Token;

/// Name, key in hex, token, and what Murmur3 without signs gives where it differs.
#[rustfmt::skip]
const VECTORS: &[(&str, &str, i64, Option<i64>)] = &[
    ("empty (0 bytes)", "", 0, None),
    ("tinyint 0", "00", 5_048_724_184_180_415_669, None),
    ("tinyint 127", "7f", 5_072_634_478_945_617_755, None),
    ("tinyint -128", "80", -5_284_281_814_142_962_636, Some(7_017_059_463_262_962_058)),
    ("tinyint -1", "ff", -4_442_228_696_663_692_417, Some(5_177_511_712_917_721_324)),
    ("smallint -2", "fffe", -2_002_833_339_314_343_643, Some(-2_866_964_718_018_313_466)),
    ("int 0", "00000000", -3_485_513_579_396_041_028, None),
    ("int 1", "00000001", -4_069_959_284_402_364_209, None),
    ("int -1", "ffffffff", 7_297_452_126_230_313_552, Some(4_889_297_221_962_843_713)),
    ("int 42", "0000002a", -7_160_136_740_246_525_330, None),
    ("int 2147483647", "7fffffff", -765_994_672_030_311_617, Some(1_399_089_839_639_637_702)),
    ("bigint 1", "0000000000000001", 6_292_367_497_774_912_474, None),
    ("bigint -1", "ffffffffffffffff", 7_071_048_584_287_372_947, Some(-6_853_156_495_446_839_949)),
    ("bigint min", "8000000000000000", 9_204_767_954_415_360_687, Some(1_838_927_571_072_900_970)),
    ("text 'a'", "61", -8_839_064_797_231_613_815, None),
    ("text 'hello'", "68656c6c6f", -3_758_069_500_696_749_310, None),
    ("text 'żółć'", "c5bcc3b3c582c487", 4_773_732_411_285_457_965, Some(-6_312_003_630_585_629_787)),
    ("9 bytes: 8x00 + 80", "000000000000000080", -4_068_329_539_335_837_472, Some(-194_570_571_440_716_555)),
    ("15 bytes 80..8e", "808182838485868788898a8b8c8d8e", 63_099_782_945_186_636, Some(-4_930_462_673_054_268_231)),
    ("uuid", "c9f2e9b00f6a4a7e8d3b1b2c3d4e5f60", -2_126_714_904_506_105_210, None),
    ("16 bytes all ff", "ffffffffffffffffffffffffffffffff", -2_824_192_546_314_762_522, None),
    ("17 bytes: 16x00 + 80", "0000000000000000000000000000000080", 3_081_978_617_158_806_447, Some(181_534_846_313_664_835)),
    ("24 bytes f0..ff,00..07", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff0001020304050607", -3_779_199_659_567_896_971, None),
    ("31 bytes all ff", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", -3_550_403_632_215_323_560, Some(9_199_849_447_717_404_527)),
    ("32 bytes 00..1f", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", -4_148_501_202_978_516_977, None),
    ("33 bytes 00..1f + fe", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1ffe", 5_997_968_317_708_569_145, Some(-8_298_730_485_203_769_067)),
    ("composite (int 1, int 2)", "0004000000010000040000000200", 4_881_097_376_275_569_167, None),
    ("composite (int 2, int 1)", "0004000000020000040000000100", 1_222_388_547_083_740_924, None),
    ("composite (text 'a', int -1)", "000161000004ffffffff00", 836_068_206_663_644_145, Some(2_667_255_014_740_872_446)),
    ("composite ('', '')", "000000000000", 9_027_482_631_457_916_009, None),
    ("composite (uuid, bigint -1)", "0010c9f2e9b00f6a4a7e8d3b1b2c3d4e5f60000008ffffffffffffffff00", 5_724_096_938_442_978_578, Some(3_029_281_201_049_313_892)),
    ("composite ('abc','def','ghi')", "000361626300000364656600000367686900", 7_324_904_338_669_377_929, None),
    ("engineered hash=INT64_MIN", "653cbefb85ec3111b4e38fa9bc7cbcae", 9_223_372_036_854_775_807, None),
    ("engineered hash=INT64_MIN+1", "c99d0f39bb88870fb488941a5343d508", -9_223_372_036_854_775_807, None),
    ("engineered hash=INT64_MAX", "0580ac3a93bc2d3800238bdf71626cd2", 9_223_372_036_854_775_807, None),
    ("engineered hash=-1", "7892b8c173924a0bbe96aa099d7c8c1a", -1, None),
    ("engineered hash=0", "b7a5d1afcfbfa49dab200104e897e3a6", 0, None),
];

#[test]
fn keys_hash_to_the_tokens_of_real_servers() {
    assert_eq!(VECTORS.len(), 37);
    for (name, key, token, _) in VECTORS {
        assert_eq!(Token::new(hash::<true>(&unhex(key))).value(), *token, "{name}");
    }
}

#[test]
fn the_hash_without_signs_differs_where_it_should() {
    for (name, key, token, unsigned) in VECTORS {
        let hashed = Token::new(hash::<false>(&unhex(key))).value();
        assert_eq!(hashed, unsigned.unwrap_or(*token), "{name}");
    }
}

proptest! {
    #[test]
    fn the_hash_without_signs_is_the_published_one(key in collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(hash::<false>(&key), published(&key));
    }

    #[test]
    fn signs_matter_exactly_if_a_tail_byte_but_the_eighth_is_negative(
        key in collection::vec(any::<u8>(), 0..40),
    ) {
        let tail = key.len() - key.len() % 16;
        let negative = |(index, byte): (usize, &u8)| index != 7 && *byte >= 0x80;
        let differs = key[tail..].iter().enumerate().any(negative);
        prop_assert_eq!(hash::<true>(&key) != published(&key), differs);
    }

    #[test]
    fn signs_are_extended_as_a_byte_by_byte_loop_does(
        lane in collection::vec(any::<u8>(), 0..=8),
    ) {
        let extended = |(index, byte): (usize, &u8)| {
            i64::from(byte.cast_signed()).cast_unsigned() << (8 * index)
        };
        let expected = lane.iter().enumerate().map(extended).fold(0, |sum, bits| sum ^ bits);
        prop_assert_eq!(tail_lane::<true>(&lane), expected);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the first half of the result")]
fn published(key: &[u8]) -> i64 {
    (murmur3::murmur3_x64_128(&mut Cursor::new(key), 0).unwrap() as u64).cast_signed()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
