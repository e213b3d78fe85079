//! Tokens, shards and tablets of partition keys.
//!
//! Cassandra's Murmur3 partitioner is the first half of x64_128 with sign-extended tail bytes.
//! Written apart from the product, so that it can judge the product's routing.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

#[inline(always)]
fn fmix(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^= k >> 33;
    k
}

/// Token of partition key bytes.
#[inline]
pub fn token(data: &[u8]) -> i64 {
    let len = data.len();
    let (mut h1, mut h2) = (0u64, 0u64);
    let mut chunks = data.chunks_exact(16);
    for c in &mut chunks {
        let mut k1 = u64::from_le_bytes(c[0..8].try_into().unwrap());
        let mut k2 = u64::from_le_bytes(c[8..16].try_into().unwrap());
        k1 = k1.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
        h1 ^= k1;
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        k2 = k2.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
        h2 ^= k2;
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let t = chunks.remainder();
    let sx = |b: u8| b as i8 as i64 as u64; // Cassandra's quirk: bytes are signed
    if t.len() > 8 {
        let mut k2 = 0u64;
        for (i, &b) in t[8..].iter().enumerate() {
            k2 ^= sx(b) << (8 * i);
        }
        h2 ^= k2.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    }
    if !t.is_empty() {
        let mut k1 = 0u64;
        for (i, &b) in t[..t.len().min(8)].iter().enumerate() {
            k1 ^= sx(b) << (8 * i);
        }
        h1 ^= k1.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    }
    h1 ^= len as u64;
    h2 ^= len as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = fmix(h1);
    h2 = fmix(h2);
    let r = h1.wrapping_add(h2) as i64;
    if r == i64::MIN { i64::MAX } else { r }
}

/// ScyllaDB biased-token-round-robin.
#[inline]
pub fn shard_of(token: i64, nr_shards: u32, ignore_msb: u32) -> u32 {
    let biased = (token as u64).wrapping_add(1 << 63) << ignore_msb;
    ((biased as u128 * nr_shards as u128) >> 64) as u32
}

/// Index of the tablet that owns `token` among `count` equal tablets.
#[inline]
pub fn tablet_of(token: i64, count: u64) -> u64 {
    let place = token as u64 ^ (1 << 63);
    ((u128::from(place) * u128::from(count)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_equal_those_of_the_drivers() {
        assert_eq!(token(b"test"), -6017608668500074083);
        assert_eq!(token(b"xd"), 4507812186440344727);
        assert_eq!(token(b"primary_key"), -1632642444691073360);
        assert_eq!(token("kremówki".as_bytes()), 4354931215268080151);
    }

    #[test]
    fn shards_and_tablets_cover_the_ring() {
        assert_eq!(shard_of(i64::MIN, 4, 0), 0);
        assert_eq!(shard_of(i64::MAX, 4, 0), 3);
        assert_eq!(shard_of(0, 4, 0), 2);
        for t in [-6017608668500074083i64, 0, 1, -1, 4507812186440344727] {
            assert!(shard_of(t, 7, 12) < 7);
        }
        assert_eq!(tablet_of(i64::MIN, 8), 0);
        assert_eq!(tablet_of(i64::MAX, 8), 7);
        assert_eq!(tablet_of(-1, 2), 0);
        assert_eq!(tablet_of(0, 2), 1);
    }
}
