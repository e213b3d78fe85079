//! Responses, read only as far as needed.

pub mod prefix;
pub mod prepared;
pub mod result;
