//! The clients of a world.

mod crowd;
pub(crate) mod driver; // one modelled client // all of them
