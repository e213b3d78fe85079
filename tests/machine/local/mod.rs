//! Requests that are answered here.

pub(crate) mod console;
pub(crate) mod facade;
pub(crate) mod local_requests;
pub(crate) mod slow_requests;
