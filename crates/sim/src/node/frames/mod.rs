//! Bytes in, bytes out.

pub(crate) mod answer; // frames out
pub(crate) mod event; // EVENT
pub(crate) mod metadata; // columns and types on the wire
pub(crate) mod receive; // bytes → frames
pub(crate) mod refusal; // ERROR
pub(crate) mod result; // RESULT
pub(crate) mod tablet_payload; // tablets-routing-v1
