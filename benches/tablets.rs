//! Nanoseconds to learn and to look up tablets, against a plain sorted list in the same run.
//!
//! *Cold* is a look-up after something else has used the caches, as the kernel does between two
//! requests of an ordinary day.

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot run should fail loudly")]

use std::hint::black_box;
use std::time::Instant;

use cql::token::shard::ShardId;
use cql::token::token::Token;
use shardlane::topology::id::NodeId;
use shardlane::topology::table::TableId;
use shardlane::topology::tablet::Replica;
use shardlane::topology::tablet::Tablet;
use shardlane::topology::tablet_map::TabletMap;

const LOOKUPS: u64 = 4_000_000;
const COLD_LOOKUPS: u64 = 4_000;
/// Maps that are filled in the same order, to find the dearest tablet.
const FILLED: usize = 5;
/// More than the caches of one core hold.
const OTHER_BYTES: usize = 4 << 20;
const CACHE_LINE: usize = 64;

/// How a table's tablets divide the ring.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Into equal parts.
    Even,
    /// Each border is off by up to a quarter of a part.
    Uneven,
    /// Anywhere.
    Random,
}

fn main() {
    println!(
        "{:>7} {:>8} {:>7} {:>9} {:>9} {:>10} {:>8} {:>10}",
        "tables", "tablets", "layout", "learn ns", "worst ns", "lookup ns", "cold ns", "bytes"
    );
    for (tables, tablets, layout) in [
        (1, 128, Layout::Even),
        (1, 1_000, Layout::Even),
        (1, 100_000, Layout::Even),
        (1_000, 128, Layout::Even),
        (1, 1_000, Layout::Uneven),
        (1, 100_000, Layout::Uneven),
        (1, 1_000, Layout::Random),
        (1, 100_000, Layout::Random),
    ] {
        measure(tables, &borders(tablets, layout), layout);
    }
    for tablets in [1_000, 100_000] {
        println!("plain sorted list of {tablets}: {:.1} ns", plain(tablets));
    }
}

fn measure(tables: u32, borders: &[i64], layout: Layout) {
    let mut seed = 1;
    let mut order: Vec<(u64, TableId, &[i64])> = (0..tables)
        .flat_map(|table| borders.windows(2).map(move |ends| (0, TableId(table), ends)))
        .map(|(_, table, ends)| (random(&mut seed), table, ends))
        .collect();
    order.sort_unstable_by_key(|(key, _, _)| *key);

    let count = u64::try_from(order.len()).unwrap();
    let begin = Instant::now();
    let map = fill(&order, |_| {});
    let learn = ns(begin, count);
    assert_eq!(map.len(), order.len());
    let worst = worst(&order);

    let begin = Instant::now();
    for _ in 0..LOOKUPS {
        look_up(&map, tables, &mut seed);
    }
    let lookup = ns(begin, LOOKUPS) - overhead(tables);
    let cold = cold(&mut || look_up(&map, tables, &mut seed)) - cold(&mut || {});
    let (len, bytes, layout) = (map.len(), map.memory_bytes(), format!("{layout:?}"));
    println!(
        "{tables:>7} {len:>8} {layout:>7} {learn:>9.0} {worst:>9.0} {lookup:>10.1} {cold:>8.1} {bytes:>10}"
    );
}

/// Learns the tablets in this order; `after` is called after each.
fn fill(order: &[(u64, TableId, &[i64])], mut after: impl FnMut(usize)) -> TabletMap {
    let mut map = TabletMap::new(1_000_000);
    for (index, (_, table, ends)) in order.iter().enumerate() {
        let &[first, last] = *ends else { continue };
        let replicas = (0..3).map(replica).collect();
        black_box(map.learn(*table, Tablet { first, last, replicas }, 0));
        after(index);
    }
    map
}

/// What the dearest tablet takes to learn. Whatever interrupts one filling does not interrupt all
/// of them at the same tablet.
fn worst(order: &[(u64, TableId, &[i64])]) -> f64 {
    let mut least = vec![f64::MAX; order.len()];
    for _ in 0..FILLED {
        let mut before = Instant::now();
        black_box(fill(order, |index| {
            let least = least.get_mut(index).unwrap();
            *least = least.min(ns(before, 1));
            before = Instant::now();
        }));
    }
    least.into_iter().fold(0.0, f64::max)
}

fn look_up(map: &TabletMap, tables: u32, seed: &mut u64) {
    let table = u32::try_from((random(seed) >> 33) % u64::from(tables)).unwrap();
    let token = Token::new(random(seed).cast_signed());
    black_box(map.locate(TableId(table), token).unwrap().iter().next());
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
    let lasts = borders(tablets, Layout::Even);
    let mut seed = 1;
    let begin = Instant::now();
    for _ in 0..LOOKUPS {
        black_box(random(&mut seed));
        let token = random(&mut seed).cast_signed();
        black_box(lasts.partition_point(|last| *last < token));
    }
    ns(begin, LOOKUPS) - overhead(1)
}

/// The borders of `count` tablets, that of the ring first.
fn borders(count: u64, layout: Layout) -> Vec<i64> {
    let mut seed = 2;
    let part = u64::MAX / count;
    let mut borders: Vec<u64> = (1..count)
        .map(|index| match layout {
            Layout::Even => even(index, count),
            Layout::Uneven => even(index, count) - part / 4 + random(&mut seed) % (part / 2),
            Layout::Random => random(&mut seed).max(1),
        })
        .collect();
    borders.sort_unstable();
    borders.dedup();
    let inner = borders.into_iter().map(|border| (border ^ (1 << 63)).cast_signed());
    [i64::MIN].into_iter().chain(inner).chain([i64::MAX]).collect()
}

/// How far along the ring part number `index` of `count` even ones begins.
fn even(index: u64, count: u64) -> u64 {
    let share = u128::from(index) * u128::from(u64::MAX) / u128::from(count);
    u64::try_from(share).unwrap()
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
