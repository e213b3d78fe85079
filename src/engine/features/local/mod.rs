//! Requests that are answered here.

pub(crate) mod console;
pub(crate) mod local_requests;
pub(crate) mod local_traces;
