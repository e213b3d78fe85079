//! Words for people: the command line.

mod admin_request;
pub(crate) mod args;
pub(crate) mod check;
pub mod command;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod inject;
pub(crate) mod next_process;
pub(crate) mod outcome;
pub(crate) mod run;
#[cfg(feature = "demo")]
pub mod simulated;
pub(crate) mod wait;
