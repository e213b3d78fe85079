//! Where clients come in.

pub mod doorway;
pub mod listener;
pub mod unix_listener;
pub mod welcome;
