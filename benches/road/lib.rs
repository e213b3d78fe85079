//! The pure folders of the product and nothing else: what stands between two system calls.
#![allow(dead_code, reason = "the layers above use the rest")]

#[path = "../../src/collections/mod.rs"]
pub mod collections;

#[path = "../../src/session/mod.rs"]
pub mod session;
#[path = "../../src/topology/mod.rs"]
pub mod topology;

#[path = "../../src/facade/mod.rs"]
pub mod facade;

#[path = "../../src/routing/mod.rs"]
pub mod routing;
#[path = "../../src/upstream/mod.rs"]
pub mod upstream;

#[path = "../../src/state/mod.rs"]
pub mod state;

#[path = "../../src/engine/mod.rs"]
pub mod engine;
