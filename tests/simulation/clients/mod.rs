//! The clients of a world.

pub(crate) mod asker; // one modelled client
mod crowd; // all of them
