//! Whether the road allocates, and what texts leave behind: passes requests under an allocator that counts.
//!
//! In a steady state a request asks for no memory at all, and the texts of a client leave nothing behind, but for the
//! bounded number of shapes that are run as prepared statements. Fails when that is not so.

#![allow(dead_code, reason = "the bench beside it uses the rest")]

#[path = "../../tests/support/frames.rs"]
mod frames;
#[path = "rig.rs"]
mod rig;
#[path = "texts.rs"]
mod texts;
#[path = "variant.rs"]
mod variant;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::rig::Rig;
use crate::variant::Variant;

/// Requests after which nearly every buffer has its size.
const WARM_UP: u64 = 20_000;
const REQUESTS: u64 = 100_000;
/// A lane that is busier by chance than ever before grows its tables a last time.
const ALLOCATIONS_MAX: u64 = 20;
/// A sample of a tablet is a request of ours, beside the text that it is taken of; these nodes do not name its
/// statement, so that each has its text written and prepared anew.
const ALLOCATIONS_A_SAMPLE: u64 = 20;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Bytes that are allocated at the moment.
static HELD: AtomicI64 = AtomicI64::new(0);

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        HELD.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        HELD.fetch_add(size as i64 - layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() {
    let mut failed = 0;
    // A text that is run by its shape asks for memory: for its constants and for the EXECUTE.
    for variant in Variant::ALL.into_iter().filter(|variant| !variant.runs_shapes()) {
        let mut rig = Rig::new(variant);
        assert!(ALLOCATIONS.load(Ordering::Relaxed) > 0, "nothing is counted");
        let warm = rig.pass(WARM_UP, false);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let sampled_before = rig.engine().tally().tablet_samples;
        let passed = rig.pass(REQUESTS, false);
        let count = ALLOCATIONS.load(Ordering::Relaxed) - before;
        let samples = rig.engine().tally().tablet_samples - sampled_before;
        rig.check(warm + passed);
        let most = ALLOCATIONS_MAX + ALLOCATIONS_A_SAMPLE * samples;
        let verdict = if count <= most { "ok" } else { "FAILED" };
        println!(
            "{verdict:<6} {:<14} {count:>6} allocations in {passed} requests, {samples} samples",
            variant.name()
        );
        failed += i32::from(count > most);
    }
    for (what, held, bound) in texts::growths(|| HELD.load(Ordering::Relaxed)) {
        let verdict = if held <= bound { "ok" } else { "FAILED" };
        println!("{verdict:<6} {what}: {held} bytes more, of {bound}");
        failed += i32::from(held > bound);
    }
    std::process::exit(failed.min(1));
}
