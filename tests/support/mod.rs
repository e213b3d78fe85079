//! What the tests of the engine share.

pub(crate) mod frames;
pub(crate) mod rig;
