//! The clients of a world.

pub(in crate::sim::world) mod asker; // one modelled client
mod crowd; // all of them
