//! What goes wrong.

pub(in crate::sim::world) mod hostile; // bytes that nobody should send
pub(in crate::sim::world) mod outbreak; // faults, and how they are mended
