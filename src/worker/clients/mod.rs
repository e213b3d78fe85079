//! A worker's clients: how they come, and how they leave for another process.

mod accept;
mod giving;
pub(super) mod login_lines;
pub(crate) mod transfer;
