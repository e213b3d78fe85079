//! The operator's pages: metrics, probes and the live page.

pub mod http;
mod live;
pub mod page;
mod places;
pub mod readiness;
