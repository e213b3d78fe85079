//! One program for all targets: `FUZZ_TARGET` names the one to run. libFuzzer brings `main`.

#![no_main]

use std::env;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, reason = "the engine's own tests use the rest")]
mod support;
#[path = "../targets/mod.rs"]
mod targets;

static RUN: OnceLock<targets::Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let run = RUN.get_or_init(|| {
        let name = env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
        targets::find(&name).unwrap_or_else(|| panic!("there is no target {name}"))
    });
    run(data);
});
