//! The pure folders of the product and nothing else: what stands between two system calls.

#[path = "../../src/flow/mod.rs"]
pub mod flow;

#[path = "../../src/session/mod.rs"]
pub mod session;
#[path = "../../src/topology/mod.rs"]
pub mod topology;

#[path = "../../src/routing/mod.rs"]
pub mod routing;
#[path = "../../src/upstream/mod.rs"]
pub mod upstream;

#[path = "../../src/engine/mod.rs"]
pub mod engine;
