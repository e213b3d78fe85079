//! The operator's pages: metrics, probes and the live page.

pub(crate) mod http;
mod live;
pub(crate) mod page;
mod places;
pub(crate) mod readiness;
