//! Frames: cut anywhere, answered once, passed on.

pub(crate) mod answers;
pub(crate) mod framing;
pub(crate) mod passing;
pub(crate) mod payloads;
