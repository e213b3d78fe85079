//! The engine in simulated worlds, one for each seed.
//!
//! `SEEDS=10000` runs so many, `FIRST=5000` begins there, and `SHARDLANE_SEED=7` runs one and prints
//! its story. `STOP=1` ends at the first failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test that cannot run should fail loudly, and figures are for people"
)]

mod agenda; // what happens next
mod bounds; // the engine's bounds
mod chance; // numbers that look random
mod clients; // who asks
mod faults; // what goes wrong
mod model; // what is asked, and whether the answers are right
mod network; // what lies between, and the nodes' end of it
mod proxy; // the shell around the engine
mod run; // a seed from its beginning to its end
mod scenario; // what a seed draws
mod special; // worlds of a special kind
mod story; // the time line of a run
mod world; // everything together

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::run::run;

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 256;
/// Failures that are printed in full.
const TOLD_MAX: usize = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn the_engine_keeps_its_promises_in_every_world() {
    if let Some(seed) = number("SHARDLANE_SEED") {
        return replay(seed);
    }
    let first = number("FIRST").unwrap_or(0);
    let end = first + number("SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let stop = number("STOP").is_some();
    let sums = Mutex::new((0_u64, 0_u64, 0_u64));
    let reached = Mutex::new(BTreeMap::new());
    let failures = Mutex::new(Vec::new());
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = std::panic::catch_unwind(|| run(seed, false));
                    let (scenario, broken) = match outcome {
                        Ok(outcome) => {
                            let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
                            sums.0 += outcome.virtual_us;
                            sums.1 += outcome.requests;
                            sums.2 += outcome.events;
                            let mut reached =
                                reached.lock().unwrap_or_else(PoisonError::into_inner);
                            for (name, count) in outcome.reached {
                                *reached.entry(name).or_insert(0) += count;
                            }
                            (outcome.scenario, outcome.broken)
                        }
                        Err(_) => (String::new(), Some("a panic".to_owned())),
                    };
                    if let Some(broken) = broken {
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push((seed, scenario, broken));
                        if stop {
                            next.store(end, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (virtual_us, requests, events) = sums.into_inner().unwrap();
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let hours = virtual_us as f64 / 3.6e9;
    println!(
        "{} seeds, {requests} requests, {events} events, {hours:.1} virtual hours in {minutes:.2} \
         minutes: {:.0} virtual hours a minute",
        end - first,
        hours / minutes
    );
    let reached: BTreeMap<&str, u64> = reached.into_inner().unwrap();
    println!("{reached:?}");
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    for (seed, scenario, broken) in failures.iter().take(TOLD_MAX) {
        println!("seed {seed}: {broken}\n  {scenario}");
        println!("  replay: SHARDLANE_SEED={seed} cargo test --test simulation -- --nocapture");
    }
    let seeds: Vec<u64> = failures.iter().map(|(seed, ..)| *seed).collect();
    assert!(seeds.is_empty(), "{} seeds failed: {seeds:?}", seeds.len());
    let never: Vec<_> = reached.iter().filter(|(_, count)| **count == 0).collect();
    assert!(end - first < SEEDS || never.is_empty(), "no world gets to {never:?}");
}

fn replay(seed: u64) {
    let outcome = run(seed, true);
    for line in &outcome.story {
        println!("{line}");
    }
    println!("seed {seed}: {}", outcome.scenario);
    println!("{} requests, {} events", outcome.requests, outcome.events);
    assert_eq!(outcome.broken, None);
}

#[test]
fn a_seed_is_the_same_again() {
    for seed in [3, 10, 21] {
        let (one, other) = (run(seed, false), run(seed, false));
        assert_eq!((one.print, one.events, one.broken), (other.print, other.events, other.broken));
    }
}
