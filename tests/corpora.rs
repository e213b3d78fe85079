//! Every input that fuzzing found worth keeping, run again: `fuzz/corpus/<target>`.
//!
//! `make fuzz` finds new ones; a crash that was mended leaves its input there.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    reason = "a target that meets what it does not expect fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::Path;

#[path = "support/mod.rs"]
mod support;
#[path = "../fuzz/targets/mod.rs"]
mod targets;

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

/// `make fuzz` builds with a lock file of its own, which must keep up: in `fuzz`, run
/// `cargo update --workspace`.
#[test]
fn the_fuzzer_is_locked_to_the_same_crates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| -> toml::Table {
        fs::read_to_string(root.join(path)).unwrap().parse().unwrap()
    };
    let versions = |path: &str| -> BTreeSet<(String, String)> {
        let lock = read(path);
        let packages = lock["package"].as_array().unwrap();
        let text = |package: &toml::Value, key: &str| package[key].as_str().unwrap().to_owned();
        packages.iter().map(|package| (text(package, "name"), text(package, "version"))).collect()
    };
    let (ours, fuzzers) = (versions("Cargo.lock"), versions("fuzz/Cargo.lock"));
    for (key, wanted) in read("Cargo.toml")["dependencies"].as_table().unwrap() {
        let name = wanted.get("package").and_then(toml::Value::as_str).unwrap_or(key);
        let of = |versions: &BTreeSet<(String, String)>| -> Vec<String> {
            let named = versions.iter().filter(|(known, _)| known == name);
            named.map(|(_, version)| version.clone()).collect()
        };
        assert!(!of(&fuzzers).is_empty(), "fuzz/Cargo.lock lacks {name}");
        for version in of(&fuzzers) {
            assert!(of(&ours).contains(&version), "fuzz/Cargo.lock has {name} {version}");
        }
    }
}
