//! Words for people: the command line.

mod admin_request;
pub mod args;
pub mod check;
pub mod command;
pub mod doctor;
pub mod explain;
pub mod inject;
pub mod outcome;
pub mod run;
#[cfg(feature = "demo")]
pub mod simulated;
pub mod wait;
