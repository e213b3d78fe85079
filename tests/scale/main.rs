//! Many proxies, many nodes, in virtual time. The tables of `docs/scale.md` are written by this test
//! (`SHARDLANE_GOLDEN=write`), and stale ones fail it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot run should fail loudly"
)]

mod demand;
#[allow(dead_code, reason = "other tests need more of it")]
#[path = "../support/frames.rs"]
mod frames;
mod page;
mod restart;
