//! The table of shards that other drivers compute.

use super::*;

/// Number of shards and ignored bits of each column.
#[rustfmt::skip]
const NODES: [(u16, u8); 12] = [
    (1, 12), (2, 12), (3, 12), (4, 12), (8, 12), (12, 12), (14, 12), (64, 12), (256, 12), (4, 0), (12, 0), (30, 63),
];

/// A token, and its shard on each of the nodes.
#[rustfmt::skip]
const SHARDS: [(i64, [u16; 12]); 13] = [
    (-9_223_372_036_854_775_807, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15]),
    (-9_219_783_007_514_621_794, [0, 1, 2, 3, 6, 9, 11, 51, 204, 0, 0, 0]),
    (-6_917_529_027_641_081_856, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
    (-4_611_686_018_427_387_904, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0]),
    (-1, [0, 1, 2, 3, 7, 11, 13, 63, 255, 1, 5, 15]),
    (0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 6, 0]),
    (1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 6, 15]),
    (42, [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 6, 0]),
    (1_234_567_890_123_456_789, [0, 0, 0, 0, 1, 1, 1, 8, 33, 2, 6, 15]),
    (3_074_457_345_618_258_602, [0, 1, 1, 2, 5, 7, 9, 42, 170, 2, 7, 0]),
    (4_611_686_018_427_387_904, [0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 9, 0]),
    (9_222_582_454_147_032_830, [0, 1, 2, 3, 6, 9, 11, 52, 211, 3, 11, 0]),
    (9_223_372_036_854_775_807, [0, 1, 2, 3, 7, 11, 13, 63, 255, 3, 11, 15]),
];

#[test]
fn tokens_lie_on_the_shards_that_the_server_computes() {
    for (token, shards) in SHARDS {
        for ((nr_shards, ignore_msb), shard) in NODES.into_iter().zip(shards) {
            let sharder = Sharder::new(nr_shards, ignore_msb).unwrap();
            let found = sharder.shard_of(Token::new(token));
            assert_eq!(found, ShardId(shard), "{token} on {nr_shards}/{ignore_msb}");
        }
    }
}

#[test]
fn no_token_lies_beyond_the_last_shard() {
    for ignore_msb in [0, 1, 12, 63] {
        let sharder = Sharder::new(u16::MAX, ignore_msb).unwrap();
        for token in [Token::MINIMUM, Token::FIRST, Token::new(0), Token::LAST] {
            assert!(sharder.shard_of(token).0 < sharder.nr_shards().get());
        }
    }
}

#[test]
fn a_node_without_shards_or_bits_is_refused() {
    assert_eq!(Sharder::new(0, 12), Err(TokenError::NoShards));
    assert_eq!(Sharder::new(2, 64), Err(TokenError::IgnoredBits { ignore_msb: 64 }));
}
