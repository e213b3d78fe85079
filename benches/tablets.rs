//! Nanoseconds to learn and to look up tablets, against a plain sorted list in the same run.
//!
//! *Cold* is a look-up after something else has used the caches, as the kernel does between two
//! requests of an ordinary day.

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot run should fail loudly")]

use std::hint::black_box;
use std::time::Instant;

use shardlane::token::shard::ShardId;
use shardlane::token::token::Token;
use shardlane::topology::id::NodeId;
use shardlane::topology::table::TableId;
use shardlane::topology::tablet::Replica;
use shardlane::topology::tablet::Tablet;
use shardlane::topology::tablet_map::TabletMap;

const LOOKUPS: u64 = 4_000_000;
const COLD_LOOKUPS: u64 = 4_000;
/// More than the caches of one core hold.
const OTHER_BYTES: usize = 4 << 20;
const CACHE_LINE: usize = 64;

fn main() {
    println!(
        "{:>7} {:>8} {:>10} {:>10} {:>10} {:>10}",
        "tables", "tablets", "learn ns", "lookup ns", "cold ns", "bytes"
    );
    for (tables, tablets) in [(1, 1_000), (1, 100_000), (1, 128), (1_000, 128)] {
        measure(tables, tablets);
    }
    for tablets in [1_000, 100_000] {
        println!("plain sorted list of {tablets}: {:.1} ns", plain(tablets));
    }
}

fn measure(tables: u32, tablets: u64) {
    let mut map = TabletMap::new(1_000_000);
    let mut seed = 1;
    let mut order: Vec<(u64, TableId, u64)> = (0..tables)
        .flat_map(|table| (0..tablets).map(move |index| (0, TableId(table), index)))
        .map(|(_, table, index)| (random(&mut seed), table, index))
        .collect();
    order.sort_unstable_by_key(|(key, _, _)| *key);

    let begin = Instant::now();
    for (_, table, index) in &order {
        let (first, last) = (border(*index, tablets), border(index + 1, tablets));
        let replicas = (0..3).map(replica).collect();
        black_box(map.learn(*table, Tablet { first, last, replicas }, 0));
    }
    let learn = ns(begin, u64::try_from(order.len()).unwrap());
    assert_eq!(map.len(), order.len());

    let begin = Instant::now();
    for _ in 0..LOOKUPS {
        let table = u32::try_from((random(&mut seed) >> 33) % u64::from(tables)).unwrap();
        let token = Token::new(random(&mut seed).cast_signed());
        black_box(map.locate(TableId(table), token).unwrap().as_slice().first());
    }
    let lookup = ns(begin, LOOKUPS) - overhead(tables);
    let mut one = || {
        let table = u32::try_from((random(&mut seed) >> 33) % u64::from(tables)).unwrap();
        let token = Token::new(random(&mut seed).cast_signed());
        black_box(map.locate(TableId(table), token).unwrap().as_slice().first());
    };
    let cold = cold(&mut one) - cold(&mut || {});
    let (len, bytes) = (map.len(), map.memory_bytes());
    println!("{tables:>7} {len:>8} {learn:>10.0} {lookup:>10.1} {cold:>10.1} {bytes:>10}");
}

/// The median of what `act` takes when the caches hold something else.
fn cold(act: &mut dyn FnMut()) -> f64 {
    let mut other = vec![0_u8; OTHER_BYTES];
    let mut times: Vec<f64> = (0..COLD_LOOKUPS)
        .map(|_| {
            for byte in other.iter_mut().step_by(CACHE_LINE) {
                *byte = byte.wrapping_add(1);
            }
            black_box(&other);
            let begin = Instant::now();
            act();
            ns(begin, 1)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What a look-up loop costs without the look-up.
fn overhead(tables: u32) -> f64 {
    let mut seed = 1;
    let begin = Instant::now();
    for _ in 0..LOOKUPS {
        black_box((random(&mut seed) >> 33) % u64::from(tables));
        black_box(random(&mut seed));
    }
    ns(begin, LOOKUPS)
}

fn plain(tablets: u64) -> f64 {
    let lasts: Vec<i64> = (1..=tablets).map(|index| border(index, tablets)).collect();
    let mut seed = 1;
    let begin = Instant::now();
    for _ in 0..LOOKUPS {
        black_box(random(&mut seed));
        let token = random(&mut seed).cast_signed();
        black_box(lasts.partition_point(|last| *last < token));
    }
    ns(begin, LOOKUPS) - overhead(1)
}

/// The last token of the tablet before number `index` of `count` even ones.
fn border(index: u64, count: u64) -> i64 {
    let share = u128::from(index) * u128::from(u64::MAX) / u128::from(count);
    u64::try_from(share).unwrap().wrapping_add(1 << 63).cast_signed()
}

fn replica(number: u16) -> Replica {
    Replica { node: NodeId(number), shard: ShardId(number) }
}

/// A splitmix64 step.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a bench fit")]
fn ns(begin: Instant, count: u64) -> f64 {
    begin.elapsed().as_nanos() as f64 / count as f64
}
