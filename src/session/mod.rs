//! One client connection: its phases, and what is answered without the cluster.

pub mod session;
pub mod statement_text;
pub mod system_tables;
pub mod v3;
