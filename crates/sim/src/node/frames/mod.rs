//! Bytes in, bytes out.

pub mod answer; // frames out
pub mod event; // EVENT
pub mod metadata; // columns and types on the wire
pub mod receive; // bytes → frames
pub mod refusal; // ERROR
pub mod result; // RESULT
pub mod tablet_payload; // tablets-routing-v1
