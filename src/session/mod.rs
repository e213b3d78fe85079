//! One client connection: its phases and its login.

pub mod sasl;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod session;
