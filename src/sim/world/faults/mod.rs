//! What goes wrong.

pub(in crate::sim::world) mod fault_kind; // what can go wrong
pub(in crate::sim::world) mod hostile; // bytes that nobody should send
pub(in crate::sim::world) mod outbreak; // faults, and how they are mended
