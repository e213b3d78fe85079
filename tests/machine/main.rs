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

mod agreement;
mod answers;
mod bounds;
mod chaos;
mod column_changes;
mod compressed_lanes;
mod console;
mod corpora;
mod demand;
mod facade;
mod failover;
mod failover_logins;
mod framing;
mod heartbeat;
mod keys;
mod keyspace_statements;
mod keyspaces;
mod learning;
mod local;
mod login_chaos;
mod logins;
mod lost_lanes;
mod memory;
mod metadata_ids;
mod moves;
mod newcomers;
mod pages;
mod passing;
mod payloads;
mod pools;
mod prepared;
mod reading;
mod refused_shapes;
mod repeats;
mod restart;
mod routing;
mod scale;
mod shaped_texts;
mod shapes;
mod slow_requests;
mod spreading;
mod stalls;
mod tablet_samples;
mod text_modes;
mod texts;
mod unavailable;
