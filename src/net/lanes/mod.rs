//! How lanes come to be: dialled, greeted, kept.

pub mod backoff;
pub mod credential;
pub mod cure;
pub mod dial;
pub mod dial_error;
pub mod dial_stats;
pub mod exchange;
pub mod extensions;
#[cfg(test)]
pub(in crate::net) mod fake_node;
pub mod handshake;
pub mod handshake_budget;
pub mod lane_course;
pub mod lane_desk;
pub mod lane_keeper;
pub mod lane_plan;
pub mod lane_set;
pub mod proxied;
