//! What values are filled with.

use shardlane_bench_kit::rng::Rng;

/// So many bytes of words drawn from sixty-four: lz4 halves them, about, as it does with an application's rows.
pub fn words(count: usize) -> Vec<u8> {
    let mut rng = Rng(11);
    let letter = |bits: u64| b'a' + (bits % 26) as u8;
    let list: Vec<[u8; 8]> =
        (0..64).map(|_| rng.bits().to_le_bytes().map(|b| letter(u64::from(b)))).collect();
    (0..count.div_ceil(8)).flat_map(|_| list[(rng.bits() % 64) as usize]).take(count).collect()
}
