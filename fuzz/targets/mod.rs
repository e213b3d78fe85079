//! What is fuzzed: each target takes any bytes, and panics when a promise is broken.
//!
//! `make fuzz` lets libFuzzer find new inputs; `tests/machine/corpora.rs` runs those that were found.

mod compression;
mod config;
mod engine;
mod frames;
mod greeting;
pub(crate) mod keys;
mod literals;
mod metadata_ids;
pub(crate) mod node;
mod proxy_header;
mod requests;
mod responses;
mod state;
mod statements;
mod system_rows;
mod tablets;

/// What a target is: it takes any bytes.
pub(crate) type Target = fn(&[u8]);

/// Every target by the name of its folder under `fuzz/corpus`.
pub(crate) const ALL: &[(&str, Target)] = &[
    ("compression", compression::run),
    ("config", config::run),
    ("engine", engine::run),
    ("engine_logins", engine::run_logins),
    ("frames", frames::run),
    ("greeting", greeting::run),
    ("keys", keys::run),
    ("literals", literals::run),
    ("metadata_ids", metadata_ids::run),
    ("prepared", responses::run_prepared),
    ("proxy_header", proxy_header::run),
    ("requests", requests::run),
    ("responses", responses::run),
    ("state", state::run),
    ("startup", requests::run_startup),
    ("statements", statements::run),
    ("system_rows", system_rows::run),
    ("tablets", tablets::run),
];

/// The target called `name`.
#[allow(dead_code, reason = "only the fuzzer looks one up")]
pub(crate) fn find(name: &str) -> Option<Target> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}
