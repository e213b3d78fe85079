//! Where the parts of each request lie; values stay undecoded.

pub mod auth_response;
pub mod batch;
pub mod execute;
pub mod parameters;
pub mod prepare;
pub mod query;
pub mod register;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod request;
pub mod startup;
