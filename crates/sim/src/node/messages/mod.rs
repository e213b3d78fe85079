//! Requests of clients, and permissions.

pub(crate) mod auth; // SASL
pub(crate) mod batch; // BATCH
pub(crate) mod dispatch; // which message is allowed when
pub(crate) mod execute; // QUERY, PREPARE, EXECUTE
pub(crate) mod grant; // GRANT, REVOKE
pub(crate) mod rights; // permissions of roles
pub(crate) mod startup; // OPTIONS, STARTUP, REGISTER
pub(crate) mod supported; // SUPPORTED
