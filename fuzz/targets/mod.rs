//! What is fuzzed: each target takes any bytes, and panics when a promise is broken.
//!
//! `make fuzz` lets libFuzzer find new inputs; `tests/corpora.rs` runs those that were found.

mod compression;
mod config;
mod engine;
mod frames;
mod requests;
mod responses;
mod system_rows;
mod tablets;

/// What a target is: it takes any bytes.
pub(crate) type Target = fn(&[u8]);

/// Every target by the name of its folder under `fuzz/corpus`.
pub(crate) const ALL: &[(&str, Target)] = &[
    ("compression", compression::run),
    ("config", config::run),
    ("engine", engine::run),
    ("frames", frames::run),
    ("prepared", responses::run_prepared),
    ("requests", requests::run),
    ("responses", responses::run),
    ("startup", requests::run_startup),
    ("system_rows", system_rows::run),
    ("tablets", tablets::run),
];

/// The target called `name`.
#[allow(dead_code, reason = "only the fuzzer looks one up")]
pub(crate) fn find(name: &str) -> Option<Target> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}
