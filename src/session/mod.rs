//! One client connection: its phases, and what is answered without the cluster.

pub mod json;
pub mod lexer;
pub mod local_values;
pub mod refusal;
pub mod sasl;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub mod session;
pub mod statement_text;
pub mod system_select;
pub mod system_tables;
pub mod v3;
