//! Which lanes are opened when.

pub mod backoff;
pub mod handshake_budget;
pub mod lane_course;
pub mod lane_keeper;
pub mod lane_plan;
