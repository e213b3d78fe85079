//! Requests that are sent twice.

pub(crate) mod repeats_and_copies;
pub(crate) mod unavailable;
