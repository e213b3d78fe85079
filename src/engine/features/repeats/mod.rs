//! Requests that are sent twice.

pub(crate) mod hedging;
pub(crate) mod refusals;
pub(crate) mod retry_budget;
