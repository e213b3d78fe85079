//! What clients ask, and who may.

pub mod auth; // SASL
pub mod batch; // BATCH
pub mod dispatch; // which message is allowed when
pub mod execute; // QUERY, PREPARE, EXECUTE
pub mod rights; // what a role may do
pub mod startup; // OPTIONS, STARTUP, REGISTER
pub mod supported; // SUPPORTED
