//! The operator's pages: metrics and probes.

pub mod http;
pub mod page;
mod places;
pub mod readiness;
