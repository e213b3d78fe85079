//! The operator's pages: metrics and probes.

pub mod http;
pub mod page;
pub mod readiness;
