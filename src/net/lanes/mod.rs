//! How lanes come to be: dialled, greeted, kept.

pub mod credential;
pub mod dialling;
pub mod keeping;
pub mod lane_desk;
pub mod lane_set;
