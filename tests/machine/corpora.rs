//! Every input that fuzzing found worth keeping, run again: `fuzz/corpus/<target>`.
//!
//! `make fuzz` finds new ones; a crash that was mended leaves its input there.

use std::fs;
use std::panic;
use std::path::Path;

use crate::targets;

/// Bytes of all inputs together; more would make a clone of the project slow.
const CORPORA_BYTES_MAX: u64 = 2 << 20;

#[test]
fn every_input_that_fuzzing_kept_still_passes() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut total = 0;
    for (name, run) in targets::ALL {
        let mut count = 0;
        for entry in fs::read_dir(corpora.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::read(&path).unwrap();
            total += data.len() as u64;
            count += 1;
            let outcome = panic::catch_unwind(|| run(&data));
            assert!(outcome.is_ok(), "{name} fails on {}", path.display());
        }
        assert!(count >= 5, "{name} has {count} inputs");
    }
    assert!(total <= CORPORA_BYTES_MAX, "{total} bytes");
    let folders = fs::read_dir(&corpora).unwrap().count();
    assert_eq!(folders, targets::ALL.len(), "a corpus without a target");
}

#[test]
fn inputs_that_are_cut_or_bent_break_nothing() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, run) in targets::ALL {
        let mut paths: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().collect();
        paths.truncate(40);
        for (turn, entry) in paths.into_iter().enumerate() {
            let data = fs::read(entry.unwrap().path()).unwrap();
            for step in 0..12 {
                let mut bent = data.clone();
                let at = (turn * 31 + step * data.len() / 12).min(data.len());
                if let Some(byte) = bent.get_mut(at) {
                    *byte ^= 1 << (step % 8);
                }
                run(&bent);
                run(&data[..at]);
            }
        }
    }
}
