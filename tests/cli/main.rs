//! The program as a shell sees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot run should fail loudly")]

mod command_line;
#[cfg(feature = "demo")]
mod demo;
mod inject;
mod lifecycle;
