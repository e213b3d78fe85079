//! What texts leave behind in memory.

use std::ops::RangeInclusive;

use shardlane::engine::limits::Limits;

use crate::rig::Rig;
use crate::variant::Variant;

const TEXTS: u64 = 200_000;
const SHAPES: u64 = 100_000;
/// Texts of one shape after which it is prepared: eight until its types are asked for, and one more.
const ENOUGH: usize = 9;
/// Shapes may take this part of what prepared statements may take.
const SHAPES_PART: usize = 8;
/// A buffer of a lane or client may have met its greatest size only now.
const BUFFERS_MAX: i64 = 4 << 10;
/// Counters of shapes that were seen, a part for the engine's tables, and for spare room in them.
const COUNTERS_MAX: i64 = 1 << 20;

/// What is done, by how many bytes it makes the engine grow, and the most that it may.
pub(crate) fn growths(held: impl Fn() -> i64) -> Vec<(String, i64, i64)> {
    let mut growths = Vec::new();
    for runs_shapes in [false, true] {
        let mode = if runs_shapes { "execute" } else { "route" };
        let mut rig = Rig::with_shapes(Variant::Query, runs_shapes);
        constants(&mut rig, 1..=1_000);
        let before = held();
        constants(&mut rig, 1_001..=TEXTS + 1_000);
        let what = format!("{TEXTS} texts with other constants each, text.mode {mode}");
        growths.push((what, held() - before, BUFFERS_MAX));
    }
    let mut rig = Rig::with_shapes(Variant::Query, true);
    constants(&mut rig, 1..=1_000);
    let before = held();
    for number in 0..SHAPES {
        let text = shape(number);
        for _ in 0..ENOUGH {
            rig.ask(&text);
        }
    }
    let prepared = rig.engine().tally().shapes_prepared;
    assert!(prepared > SHAPES / 2, "{prepared} of {SHAPES} shapes were prepared");
    let bound = Limits::default().catalog_bytes_max / SHAPES_PART;
    let what = format!("{SHAPES} shapes of up to 4 KB, text.mode execute");
    growths.push((what, held() - before, bound as i64 + COUNTERS_MAX));
    growths
}

fn constants(rig: &mut Rig, numbers: RangeInclusive<u64>) {
    for number in numbers {
        rig.ask(&format!("SELECT v FROM tab.t WHERE k = {number}"));
    }
}

/// A text whose shape no other number has.
fn shape(number: u64) -> String {
    let letters = "x".repeat((number % 4_000) as usize);
    format!("SELECT v AS a{number}_{letters} FROM tab.t WHERE k = 1")
}
