//! The engine as a machine: what clients and nodes send goes in, what each of them gets comes out.
//! Nodes are played by hand, so that every order of events can be tried.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets what it does not expect fails"
)]

#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the fuzzer uses the rest")]
#[path = "../../fuzz/targets/mod.rs"]
mod targets;

mod chaos;
mod clients;
mod corpora;
mod frames;
mod lanes;
mod local;
mod repeats;
mod routing;
mod scale;
mod statements;
mod tablets;
mod texts;
