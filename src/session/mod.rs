//! One client connection: its phases, its login, and protocol v3's forms of responses.

pub mod sasl;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod session;
pub mod v3;
