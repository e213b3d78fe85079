//! Bytes in, bytes out: what the engine alone costs for a request, without sockets.
//!
//! Without arguments: nanoseconds per request of each variant. `road VARIANT REQUESTS` passes so
//! many requests and prints nothing, for a profiler; `benches/road-gate` counts instructions so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a bench that meets what it does not expect fails"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

#[path = "../tests/support/frames.rs"]
#[allow(dead_code, reason = "tests write other frames as well")]
mod frames;
#[path = "road/rig.rs"]
#[allow(dead_code, reason = "what texts leave behind is measured elsewhere")]
mod rig;
#[path = "road/variant.rs"]
mod variant;

use std::time::Instant;

use crate::rig::Rig;
use crate::variant::Variant;

const WARM_UP: u64 = 20_000;
const REQUESTS: u64 = 400_000;
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [name, requests] = arguments.as_slice() {
        let variant = Variant::ALL.into_iter().find(|variant| variant.name() == name);
        let variant = variant.unwrap_or_else(|| panic!("no such variant: {name}"));
        let mut rig = Rig::new(variant);
        let passed = rig.pass(requests.parse().expect("a number of requests"), true);
        return rig.check(passed);
    }
    for variant in Variant::ALL {
        let mut rig = Rig::new(variant);
        let requests = if variant == Variant::LargeAnswers { REQUESTS / 20 } else { REQUESTS };
        let mut passed = rig.pass(WARM_UP, false);
        let mut rounds: Vec<f64> =
            (0..ROUNDS).map(|_| nanoseconds(&mut rig, requests, &mut passed)).collect();
        rounds.sort_by(f64::total_cmp);
        println!("{:<14} {:>9.1} ns per request", variant.name(), rounds[ROUNDS / 2]);
        rig.check(passed);
    }
}

fn nanoseconds(rig: &mut Rig, requests: u64, all: &mut u64) -> f64 {
    let begin = Instant::now();
    let passed = rig.pass(requests, true);
    *all += passed;
    begin.elapsed().as_nanos() as f64 / passed as f64
}
