//! Everything put together, started and drained.
