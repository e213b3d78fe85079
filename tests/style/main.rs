//! The rules of the project that a machine can check: layers, documents, paths, lock files, mutants.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a check that cannot run should fail loudly"
)]

mod architecture;
mod circles;
mod lessons;
mod locks;
mod mutants;
mod paths;
mod sources;
