//! Bounds, and what waits.
