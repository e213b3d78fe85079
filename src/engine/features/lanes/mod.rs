//! The life of a lane beside its requests.

pub(crate) mod heartbeats;
pub(crate) mod remote;
pub(crate) mod stalls;
