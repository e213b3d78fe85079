//! Murmur3 as Cassandra computes it: x64, 128 bits, seed 0, the first half of the result.
//!
//! Cassandra, and so `ScyllaDB`, sign-extends each byte of the tail (what is left after the whole
//! 16-byte blocks) before it is shifted into its lane. Keys with a tail byte of 0x80 or more, such
//! as every negative `int`, therefore hash differently from the published Murmur3.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The high bit of each of eight bytes.
const SIGNS: u64 = 0x8080_8080_8080_8080;

/// Hashes `key`; with `SIGNED` as the server does, without as Murmur3 is published.
///
/// Both come from one body, so that a test against the published hash proves all but the signs.
#[inline]
#[must_use]
pub(crate) fn hash<const SIGNED: bool>(key: &[u8]) -> i64 {
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let (blocks, tail) = key.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = lanes(block);
        h1 ^= mix_1(k1);
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix_2(k2);
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }

    // An absent lane is zero, and zero mixes to zero: no branch on the tail's length is needed.
    let (low, high) = tail.split_at_checked(8).unwrap_or((tail, &[]));
    h2 ^= mix_2(tail_lane::<SIGNED>(high));
    h1 ^= mix_1(tail_lane::<SIGNED>(low));

    let len = key.len() as u64;
    h1 ^= len;
    h2 ^= len;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2)).cast_signed()
}

#[inline]
fn lanes(block: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*block);
    #[expect(clippy::cast_possible_truncation, reason = "the lower lane is the lower half")]
    let lower = both as u64;
    (lower, (both >> 64) as u64)
}

#[inline]
fn tail_lane<const SIGNED: bool>(bytes: &[u8]) -> u64 {
    let lane = load(bytes);
    if SIGNED { lane ^ sign_bits(lane) } else { lane }
}

/// Loads at most eight bytes, the first as the lowest.
#[inline]
fn load(bytes: &[u8]) -> u64 {
    if let Some(all) = bytes.first_chunk::<8>() {
        return u64::from_le_bytes(*all);
    }
    if let (Some(head), Some(end)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two overlap in the middle, where they agree.
        let end = u64::from(u32::from_le_bytes(*end)) << (8 * (bytes.len() - 4));
        return u64::from(u32::from_le_bytes(*head)) | end;
    }
    bytes.iter().rev().fold(0, |lane, byte| lane << 8 | u64::from(*byte))
}

/// What sign extension changes in a lane: each byte of 0x80 or more flips all bits above itself.
///
/// So a byte is flipped if an odd number of such bytes lies below it. The top byte has nothing
/// above, hence its own sign changes nothing.
#[inline]
const fn sign_bits(lane: u64) -> u64 {
    let mut odd = (lane & SIGNS) << 1;
    odd ^= odd << 8;
    odd ^= odd << 16;
    odd ^= odd << 32;
    odd.wrapping_mul(0xff)
}

#[inline]
const fn mix_1(lane: u64) -> u64 {
    lane.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

#[inline]
const fn mix_2(lane: u64) -> u64 {
    lane.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

#[inline]
const fn finish(mut h: u64) -> u64 {
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests;
