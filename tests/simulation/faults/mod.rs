//! What goes wrong.

pub(crate) mod fault_kind; // what can go wrong
pub(crate) mod hostile; // bytes that no peer should send
pub(crate) mod outbreak; // faults, and how they are mended
